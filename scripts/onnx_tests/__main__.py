"""`python3 -m onnx_tests FOLDER`: writes all cases into a folder, anew; `scripts/onnx-tests.sh` calls it.

`sources` is written last: the tests compare it with these programs, and so notice cases that are missing or old.
"""

import pathlib
import shutil
import sys

from . import graphs, nodes

HERE = pathlib.Path(__file__).parent


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in ["sources", "nodes", "graphs"]:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ["nodes", "graphs"]:
        (folder / name).mkdir(parents=True)
    versions, *operators = (HERE / "claims.txt").read_text().splitlines()
    oldest, newest = (int(word) for word in versions.split() if word.isdigit())
    nodes.generate(folder / "nodes", set(operators), (oldest, newest))
    graphs.generate(folder / "graphs")
    shutil.copytree(HERE, folder / "sources", ignore=shutil.ignore_patterns("__pycache__"))


if __name__ == "__main__":
    main()
