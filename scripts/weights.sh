#!/usr/bin/env bash
# Weights: `scripts/weights.sh test` runs what needs FRAME built with features that no node has: the
# benchmarks' own tests, every pallet's invariants through the runtime, and the host's multi-scalar
# multiplication. `scripts/weights.sh measure [pallet…]` runs the benchmarks in wasm and writes the
# pallets' weights.rs; the machine should do nothing else meanwhile. docs/chain.md says what is measured.
#
# Both build in target folders of their own: the features would build everything else anew.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
pallets=(miners models payments proofs reports tasks)

case "${1:-}" in
test)
    packages=(-p cyborg-runtime -p cyborg-chain-verifier)
    for pallet in "${pallets[@]}"; do packages+=(-p "pallet-$pallet"); done
    features=cyborg-runtime/runtime-benchmarks,cyborg-runtime/try-runtime,cyborg-runtime/host-msm
    # All of this runs natively.
    export CARGO_TARGET_DIR=$target/weights-test SKIP_WASM_BUILD=1
    cargo test --release "${packages[@]}" --lib --features "$features"
    cargo test --release "${packages[@]}" --test runtime --features "$features" -- try_state conservation
    ;;
measure)
    shift
    [ $# -gt 0 ] && pallets=("$@")
    export CARGO_TARGET_DIR=$target/weights
    cargo build --release -p cyborg-runtime -p cyborg-weights --features cyborg-runtime/runtime-benchmarks
    processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    files=()
    for pallet in "${pallets[@]}"; do files+=("chain/pallets/$pallet/src/weights.rs"); done
    outputs=()
    for pallet in "${pallets[@]}"; do outputs+=("pallet_$pallet=chain/pallets/$pallet/src/weights.rs"); done
    "$CARGO_TARGET_DIR/release/cyborg-weights" \
        "$CARGO_TARGET_DIR/release/wbuild/cyborg-runtime/cyborg_runtime.wasm" \
        --note "$(date -u +%F), ${processor:-unknown processor}" "${outputs[@]}"
    rustfmt --edition 2024 "${files[@]}"
    ;;
*)
    echo "usage: scripts/weights.sh test | measure [pallet…]" >&2
    exit 2
    ;;
esac
