#!/usr/bin/env bash
# Writes what the importer's independent tests read: ONNX's backend node tests and random graphs, each with
# outputs of ONNX's reference. They lie in the target folder. Needs python3 (3.11 or newer) with venv.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="${CARGO_TARGET_DIR:-target}/onnx-tests"
mkdir -p "$folder"
# Packages are installed again only if other ones are asked for.
if ! cmp -s scripts/onnx_tests/requirements.txt "$folder/venv/requirements.txt"; then
    rm -rf "$folder/venv"
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r scripts/onnx_tests/requirements.txt
    cp scripts/onnx_tests/requirements.txt "$folder/venv/"
fi
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts "$folder/venv/bin/python" -m onnx_tests "$folder"
