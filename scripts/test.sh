#!/usr/bin/env bash
# Everything that must hold before a change is merged, from nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cargo xtask test
