#!/usr/bin/env bash
# Runs the chain's end-to-end test against the stock node: installs the published polkadot-omni-node
# (an hour on two cores, once), starts it in development mode on the specification that `cyborg node
# export-chain-spec` writes, and points the test at it. Its words go to docs/stock-node.log.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.24.0
port=9955
block_ms=${BLOCK_MS:-300}
target=${CARGO_TARGET_DIR:-$PWD/target}
stock=${STOCK_NODE_ROOT:-$target/stock-node}
node=$stock/bin/polkadot-omni-node
log=docs/stock-node.log

if [ ! -x "$node" ]; then
    if ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then
        root=()
        [ "$(id -u)" = 0 ] || root=(sudo)
        "${root[@]}" apt-get update -qq
        "${root[@]}" apt-get install -y -qq --no-install-recommends libclang-dev
    fi
    # The runtimes of relay chains that it can carry are not needed here, and take as long again.
    SKIP_WASM_BUILD=1 cargo install polkadot-omni-node --version "$version" --locked --root "$stock"
fi

work=$(mktemp -d)
trap 'kill "${pid:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cargo test --no-run --release --quiet --workspace
"$target/release/cyborg" node export-chain-spec --preset development --out "$work/cyborg.json"

{
    echo "\$ polkadot-omni-node --version"
    "$node" --version
    echo "\$ polkadot-omni-node --chain cyborg.json --dev-block-time $block_ms --tmp --rpc-port $port"
} | tee "$log"
"$node" --chain "$work/cyborg.json" --dev-block-time "$block_ms" --tmp --rpc-port "$port" \
    --rpc-max-request-size 16 >"$work/node.log" 2>&1 &
pid=$!
for _ in $(seq 60); do
    grep -q "Running JSON-RPC server" "$work/node.log" && break
    kill -0 "$pid" 2>/dev/null || { cat "$work/node.log" >&2; exit 1; }
    sleep 1
done
echo "\$ CYBORG_CHAIN_URL=ws://127.0.0.1:$port cargo test --release --workspace --test chain -- --test-threads 1" | tee -a "$log"
outcome=0
CYBORG_CHAIN_URL=ws://127.0.0.1:$port cargo test --release --quiet --workspace --test chain -- --nocapture --test-threads 1 2>&1 |
    sed "s#$PWD#.#g" | tee -a "$log" || outcome=$?
{
    echo "The node's first and last words:"
    head -n 25 "$work/node.log"
    echo "..."
    tail -n 10 "$work/node.log"
} | sed "s#$work#.#g" >>"$log"
exit "$outcome"
