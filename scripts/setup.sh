#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu needs beside rustup: compilers of C and C++, git, protoc for the
# chain's network crates, and python3 with venv for ONNX's tests. Then the pinned toolchain's targets.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
{ command -v cc && command -v c++; } >/dev/null || missing+=(build-essential)
command -v git >/dev/null || missing+=(git)
command -v protoc >/dev/null || missing+=(protobuf-compiler)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
command -v cargo >/dev/null || {
    echo "error: cargo is not on the PATH; install it from https://rustup.rs" >&2
    exit 2
}
cargo xtask setup
