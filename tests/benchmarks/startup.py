"""What a pytest start costs with the plugin installed, against without it: `make bench`, or run this file.

Runs an empty test file in fresh processes, interleaved, and prints the median of each and their difference. Other plugins
are switched off in both, so that the difference is ours.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 21
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
SIDES = {"without": PYTEST, "with": [*PYTEST, "-p", "pytest_llm.plugin"]}


def seconds(command: list[str], folder: str) -> float:
    began = time.perf_counter()
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n")
        for command in SIDES.values():  # fill the bytecode caches
            seconds(command, folder)
        runs = [{side: seconds(command, folder) for side, command in SIDES.items()} for _ in range(ROUNDS)]
    medians = {side: statistics.median(run[side] for run in runs) for side in SIDES}
    for side, value in medians.items():
        print(f"pytest start {side:>8} the plugin: {value * 1000:6.1f} ms (median of {ROUNDS})")
    difference = statistics.median(run["with"] - run["without"] for run in runs)
    print(f"difference: {difference * 1000:.1f} ms, ratio {medians['with'] / medians['without']:.3f}")


if __name__ == "__main__":
    main()
