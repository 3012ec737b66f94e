#!/usr/bin/env python3
"""Switches off one check, challenge or absorption of the verifier at a time, and says which of these mutants
the tests do not notice.

    python3 scripts/mutants.py [--only SUBSTRING] [--start NUMBER] [--list]

The mutants are in scripts/mutants.txt. All are put into a copy of the sources at once, each behind a switch
that an environment variable turns, so that there is one build; then the tests run once for each mutant. Prover
and verifier share the mutated code, as they share the protocol: a test that notices is a liar that gets away,
a count or a challenge that is missing.

A mutant that survives although the list says that it is `equivalent` is expected: docs/protocol.md says why it
changes nothing. Any other survivor, and an equivalent one that is killed, ends the script with 1. It takes some
minutes to build and about an hour to run on two cores.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
TREE, BUILD = WORK / "tree", WORK / "build"
PACKAGES = ["zkml-core", "zkml-graph", "zkml-verifier", "zkml-prover", "zkml-live"]
SWITCH = "CYBORG_MUTANT"
TIMEOUT_S = 900

# Tests that notice most mutants, first; and one that counts, and would hide what no liar notices, last.
QUICK = ["soundness::forged", "soundness::adaptive", "soundness::mixed", "challenges", "claims::n0", "claims::n13"]
LAST = ["inventory"]

MODULE = f"""//! Whether a mutant is switched on.
extern crate std;
/// Whether this is the one.
pub fn is(number: u32) -> bool {{
    static ACTIVE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ACTIVE.get_or_init(|| std::env::var("{SWITCH}").ok().and_then(|n| n.parse().ok()).unwrap_or(0)) == number
}}
"""


class Mutant:
    """A change of one place of one file."""

    def __init__(self, number, name, path, old, new, equivalent):
        self.number, self.name, self.path = number, name, path
        self.old, self.new, self.equivalent = old, new, equivalent

    def apply(self, sources):
        """Puts the change into the copy of the sources, behind its switch."""
        source = sources[self.path].decode()
        words = [re.escape(word) for word in self.old.split()]
        found = list(re.finditer(r"\s+".join(words), source))
        if len(found) != 1:
            sys.exit(f"{self.name}: {len(found)} places in {self.path}, expected one")
        new = self.new.replace("MUTANT", f"crate::mutant::is({self.number})")
        sources[self.path] = (source[: found[0].start()] + new + source[found[0].end() :]).encode()


def read_mutants():
    """The mutants of the list, numbered from one."""
    mutants, block = [], None

    def close():
        if block:
            number = len(mutants) + 1
            old, new = ("\n".join(block[key]) for key in ("old", "new"))
            mutants.append(Mutant(number, block["name"], block["path"], old, new, block["equivalent"]))

    path = None
    for line in (ROOT / "scripts/mutants.txt").read_text().splitlines():
        if line.startswith("in "):
            path = line[3:].strip()
        elif line.startswith("[") and line.endswith("]"):
            close()
            name, _, mark = line[1:-1].partition(" | ")
            block = {"name": name, "path": path, "old": [], "new": [], "equivalent": mark == "equivalent"}
        elif line.startswith("- "):
            block["old"].append(line[2:])
        elif line.startswith("+ "):
            block["new"].append(line[2:])
    close()
    return mutants


def read_sources():
    """What git does not ignore, by path, with a module for the switch in every crate that is mutated."""
    command = ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    sources = {name: (ROOT / name).read_bytes() for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for crate in ["core", "graph", "verifier", "live"]:
        folder = f"crates/zkml/{crate}/src/"
        sources[folder + "mutant.rs"] = MODULE.encode()
        library = sources[folder + "lib.rs"].decode()
        first = re.search(r"^(pub )?mod ", library, re.MULTILINE).start()
        sources[folder + "lib.rs"] = (library[:first] + "pub mod mutant;\n" + library[first:]).encode()
    return sources


def write_tree(sources):
    """Writes the copy; what is there already keeps its time, and is not built again."""
    for path in list(TREE.rglob("*")) if TREE.exists() else []:
        if path.is_file() and str(path.relative_to(TREE)) not in sources:
            path.unlink()
    for name, content in sources.items():
        path = TREE / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def build():
    """Builds the tests; returns their programs with the folders to run them in."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(BUILD), RUSTFLAGS="--cap-lints allow")
    environment |= {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_DEBUG": "0"}
    environment |= {"CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
    command = ["cargo", "test", "--release", "--offline", "--no-run", "--lib", "--tests", "--message-format=json-render-diagnostics"]
    command += [part for package in PACKAGES for part in ("-p", package)]
    built = subprocess.run(command, cwd=TREE, env=environment, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit("the mutated sources do not build")
    programs = []
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["profile"]["test"]:
            folder = pathlib.Path(message["manifest_path"]).parent
            programs.append((message["target"]["name"], message["executable"], folder))
    return programs


def failures(program, folder, number, arguments):
    """The tests of a program that fail with a mutant switched on."""
    environment = dict(os.environ, RUST_BACKTRACE="0", **{SWITCH: str(number)})
    try:
        done = subprocess.run(
            [program, *arguments], cwd=folder, env=environment, timeout=TIMEOUT_S, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        return ["timeout"]
    if done.returncode == 0:
        return []
    return re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.MULTILINE) or ["an abort"]


def noticed(programs, number):
    """The tests that notice a mutant; the first program with any ends the search."""
    whole = [(program, folder) for name, program, folder in programs if name == "protocol"]
    others = [(program, folder) for name, program, folder in programs if name != "protocol"]
    rest = [part for test in QUICK + LAST for part in ("--skip", test)]
    steps = [(program, folder, QUICK) for program, folder in whole]
    steps += [(program, folder, []) for program, folder in others]
    steps += [(program, folder, arguments) for arguments in (rest, LAST) for program, folder in whole]
    for program, folder, arguments in steps:
        failed = failures(program, folder, number, arguments)
        if failed:
            return failed
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--start", type=int, default=1, help="the first mutant's number")
    parser.add_argument("--list", action="store_true", help="print the mutants and do nothing")
    options = parser.parse_args()
    mutants = read_mutants()
    chosen = [mutant for mutant in mutants[options.start - 1 :] if options.only in mutant.name]
    if options.list:
        print(*(mutant.name for mutant in chosen), sep="\n")
        return 0
    sources = read_sources()
    for mutant in mutants:
        mutant.apply(sources)
    write_tree(sources)
    programs = build()
    if failed := noticed(programs, 0):
        sys.exit(f"without a mutant: {', '.join(failed)} fails")
    wrong = 0
    for mutant in chosen:
        start = time.monotonic()
        failed = noticed(programs, mutant.number)
        expected = bool(failed) != mutant.equivalent
        wrong += not expected
        if failed:
            verdict = f"killed by {failed[0]}" + (f" and {len(failed) - 1} more" if failed[1:] else "")
        else:
            verdict = "survives" + (", as an equivalent" if mutant.equivalent else "")
        print(f"{'  ' if expected else '! '}{mutant.name}: {verdict}, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{len(chosen)} mutants, {wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
