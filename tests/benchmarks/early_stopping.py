"""How much of the data a gate that may stop early looks at, and how often it decides otherwise than a full run.

    python tests/benchmarks/early_stopping.py [--runs 100]

Simulated documents (`tests/simulated_changes.py`), no model: `assert_no_regression` of perplexity with its default tolerance of 1 %
and `early_stop="sequential"`. A small change is one of quantisation or another engine, "retrained" one of training; wrecked
documents lose so many nats on each token. Seeded: the same numbers each time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.early_stops import simulate
from tests.simulated_changes import Kind

CHANGES: list[tuple[int, Kind, float]] = [
    (n, kind, drop) for n in (1000, 4000) for kind in ("small", "retrained") for drop in (0.0, 0.005, 0.02, 0.03)
]
WRECKED = [(n, contaminated) for n in (1000, 4000) for contaminated in ((0.01, 2.0), (0.02, 1.0), (0.05, 0.4))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    runs: int = parser.parse_args().runs
    print("| documents | change | passed early | failed early | decided otherwise | documents seen | tokens seen |")
    print("|---|---|---|---|---|---|---|")
    for n, kind, drop in CHANGES:
        found = simulate(n, kind, drop, runs, seed=1)
        print(f"| {n} | {kind}, {100 * drop:g} % worse | {found.row()} |", flush=True)
    for n, (share, nats) in WRECKED:
        found = simulate(n, "small", 0.0, runs, seed=2, contaminated=(share, nats))
        print(f"| {n} | {share:.0%} wrecked by {nats:g} nats | {found.row()} |".replace("% wr", " % wr"), flush=True)


if __name__ == "__main__":
    main()
