#!/usr/bin/env bash
# The main job from nothing: set-up, build, and `cyborg demo`: a network of processes on this machine, to
# which a model is deployed, encrypted; its answers are proven, verified by the chain, paid and decrypted.
# What follows the script's name goes to it, such as --keep. Substrate takes twenty minutes to build on two
# cores, once.
#
# With --proofs the chain is left out, and so is its build: a trained model of handwritten digits is compiled
# to integers, committed to, and an inference of a held-out digit is proven and verified; at last a proof for
# another context is refused. Everything is written to a new folder, which it names.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cyborg="${CARGO_TARGET_DIR:-target}/release/cyborg"
if [ "${1:-}" != --proofs ]; then
    # The selection of the tests, so that Substrate is not built once for each.
    cargo test --no-run --locked --release --workspace --test network_up
    exec "$cyborg" demo "$@"
fi

cargo build --release -p cyborg --no-default-features
out="$(mktemp -d)"
model=tests/data/digits_cnn
context=$(printf 'request 7 of task 42' | od -An -tx1 | tr -d ' \n')

step() {
    printf '\n\033[1m%s\033[0m\n$ cyborg' "$1"
    shift
    printf ' %s' "$@"
    printf '\n'
    "$cyborg" "$@"
}
step 'What is in the model, and can it be proven?' model inspect $model.onnx
step 'As exact integers, with its accuracy' model compile $model.onnx --calibrate ${model}_io.npz -o "$out/digits.cyb"
step 'Keys: the weights stay secret' zk keygen "$out/digits.cyb" --out "$out/keys"
step 'The key proves that its weights are in range' zk check-key "$out/keys/verifier.key"
step 'Proof of one inference; nobody sees weights, input or output' \
    zk prove --key "$out/keys/prover.key" --input ${model}_io.npz --index 5 --context "$context" --out "$out/digit.proof"
step 'Anybody verifies; the owner of the opening also sees the answer' \
    zk verify --key "$out/keys/verifier.key" --proof "$out/digit.proof" --context "$context" --opening "$out/digit.opening"
printf '\n\033[1mThe same proof for another context is refused\033[0m\n'
if "$cyborg" zk verify --key "$out/keys/verifier.key" --proof "$out/digit.proof" --context 00; then
    echo 'error: a replayed proof was accepted' >&2
    exit 1
fi
printf '\nDone. Files are in %s\n' "$out"
