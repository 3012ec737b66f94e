#!/usr/bin/env python3
"""Measures EZKL on an ONNX model: default settings, weights fixed, input private, output public.

    python3 -m venv venv && venv/bin/pip install -r scripts/requirements.txt
    venv/bin/python scripts/ezkl_bench.py MODEL.onnx MODEL_io.npz [...more pairs] [--json FILE] [--limit-gb 18]

Every step (settings, calibrate, compile, srs, setup, witness, prove, verify) is a process of its own,
as a user would run it: its wall time includes loading the keys. Peak memory is the kernel's maximum
resident set size of that process. A step whose resident memory passes the limit is killed and the
model is reported as out of memory. The SRS is generated locally, so nothing is downloaded.
Fixed weights are not bound to a commitment: a step less than what `cyborg zk prove` does.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time

STEPS = {
    "settings": """
args = ezkl.PyRunArgs()
args.input_visibility, args.param_visibility, args.output_visibility = "private", "fixed", "public"
ezkl.gen_settings("model.onnx", "settings.json", py_run_args=args)""",
    "calibrate": """ezkl.calibrate_settings("calibration.json", "model.onnx", "settings.json", "resources")""",
    "compile": """ezkl.compile_circuit("model.onnx", "model.compiled", "settings.json")""",
    "srs": """ezkl.gen_srs("kzg.srs", json.load(open("settings.json"))["run_args"]["logrows"])""",
    "setup": """ezkl.setup("model.compiled", "vk.key", "pk.key", "kzg.srs")""",
    "witness": """ezkl.gen_witness("input.json", "model.compiled", "witness.json")""",
    "prove": """ezkl.prove("witness.json", "model.compiled", "pk.key", "proof.json", "kzg.srs")""",
    "verify": """assert ezkl.verify("proof.json", "settings.json", "vk.key", "kzg.srs")""",
}

PREAMBLE = """
import asyncio, inspect, json, ezkl
"""


def resident_bytes(pid):
    """Resident memory of a process now, 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def script(step):
    """The step as a program; calls that are coroutines in some releases are awaited."""
    body = "\n".join("    " + line for line in STEPS[step].strip().splitlines())
    return f"""{PREAMBLE}
class Awaiting:
    def __getattr__(self, name):
        attribute = getattr(module, name)
        if isinstance(attribute, type):
            return attribute
        async def call(*args, **kwargs):
            result = attribute(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result
        return lambda *args, **kwargs: asyncio.run(call(*args, **kwargs))
module, ezkl = ezkl, Awaiting()
def main():
{body}
main()
"""


def run_step(step, folder, limit_bytes):
    """Wall seconds, peak bytes and status of one step in its own process."""
    start = time.monotonic()
    log = open(folder / f"{step}.log", "wb")
    process = subprocess.Popen([sys.executable, "-c", script(step)], cwd=folder, stdout=log, stderr=log)
    over = threading.Event()
    done = threading.Event()

    def guard():
        while not done.wait(0.1):
            if resident_bytes(process.pid) > limit_bytes:
                over.set()
                process.send_signal(signal.SIGKILL)

    watcher = threading.Thread(target=guard, daemon=True)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watcher.join()
    log.close()
    code = process.returncode
    state = "out of memory" if over.is_set() or code == -signal.SIGKILL else "ok" if code == 0 else "failed"
    result = {"seconds": round(seconds, 3), "peak_bytes": usage.ru_maxrss * 1024, "status": state}
    if state == "failed":
        result["error"] = (folder / f"{step}.log").read_text(errors="replace")[-800:]
    return result


def size(path):
    return path.stat().st_size if path.exists() else None


def measure(model, io, limit_bytes, import_seconds):
    import numpy as np

    data = np.load(io)["inputs"].astype("float64")
    result = {"model": model.stem, "steps": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model.onnx").write_bytes(model.read_bytes())
        for file, count in (("input.json", 1), ("calibration.json", 1)):
            (folder / file).write_text(json.dumps({"input_data": [data[:count].reshape(-1).tolist()]}))
        for step in STEPS:
            print(f"{model.stem}: {step} ...", end=" ", file=sys.stderr, flush=True)
            outcome = run_step(step, folder, limit_bytes)
            print(f"{outcome['status']}, {outcome['seconds']:.2f} s, {outcome['peak_bytes'] / 1e6:.0f} MB",
                  file=sys.stderr, flush=True)
            result["steps"][step] = outcome
            if outcome["status"] != "ok":
                break
        settings = folder / "settings.json"
        if settings.exists():
            arguments = json.loads(settings.read_text())["run_args"]
            result["settings"] = {k: arguments[k] for k in
                                  ("input_scale", "param_scale", "logrows", "input_visibility", "param_visibility",
                                   "output_visibility")}
        proof = folder / "proof.json"
        if proof.exists():
            raw = json.loads(proof.read_text())["proof"]
            result["proof_bytes"] = len(raw) if isinstance(raw, list) else len(raw.removeprefix("0x")) // 2
        result["prover_key_bytes"] = size(folder / "pk.key")
        result["verifier_key_bytes"] = size(folder / "vk.key")
        result["srs_bytes"] = size(folder / "kzg.srs")
    result["start_seconds"] = round(import_seconds, 3)
    return result


def start_up_seconds():
    """What starting Python and loading EZKL takes: part of every step's wall time."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", "import asyncio, inspect, json, ezkl"], check=True)
        times.append(time.monotonic() - start)
    return min(times)


def table(results):
    def cell(result, step):
        outcome = result["steps"].get(step)
        if outcome is None:
            return "-"
        if outcome["status"] != "ok":
            return outcome["status"]
        return f"{outcome['seconds']:.2f} s, {outcome['peak_bytes'] / 1e6:.0f} MB"

    def count(value):
        return "-" if value is None else f"{value:,}"

    lines = ["| model | set-up | witness | prove | verify | proof bytes | prover key bytes | verifier key bytes |",
             "|---|---|---|---|---|---|---|---|"]
    for r in results:
        lines.append("| " + " | ".join([r["model"], *(cell(r, s) for s in ("setup", "witness", "prove", "verify")),
                                         count(r.get("proof_bytes")), count(r["prover_key_bytes"]),
                                         count(r["verifier_key_bytes"])]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=pathlib.Path, metavar="MODEL.onnx MODEL_io.npz")
    parser.add_argument("--json", type=pathlib.Path, help="also write the results here")
    parser.add_argument("--limit-gb", type=float, default=18.0, help="kill a step above this resident memory")
    arguments = parser.parse_args()
    if len(arguments.pairs) % 2:
        parser.error("models and npz files come in pairs")
    start = start_up_seconds()
    pairs = zip(arguments.pairs[::2], arguments.pairs[1::2])
    results = [measure(model, io, int(arguments.limit_gb * 1e9), start) for model, io in pairs]
    document = {"ezkl": importlib.metadata.version("ezkl"), "cpus": os.cpu_count(), "machine": platform.machine(),
                "results": results}
    text = json.dumps(document, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    print(text)
    print()
    print(table(results))


if __name__ == "__main__":
    main()
