"""Whether cost grows linearly: 120 documents against ten times as many.

    python tests/benchmarks/linearity.py [--dtype bfloat16]

Prints time per token and the peak of memory of both; takes about ten minutes in float32 on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.documents import documents
from tests.benchmarks.scoring import OURS
from tests.benchmarks.sides import Side, interleaved, smollm2

COUNT_TOKENS = """
tokens = sum(map(len, model.encode(given["texts"])))
score_all = run

def run():
    score_all()
    return tokens
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    for count in (120, 1200):
        given = {"gguf": smollm2(), "dtype": options.dtype, "device": "cpu", "texts": documents(count)}
        (run,) = interleaved([Side(f"{count} documents", OURS + COUNT_TOKENS)], given, rounds=1)[f"{count} documents"]
        rate = 1000 * run.seconds / run.computed
        print(
            f"{count:>5} documents, {run.computed} tokens: {run.seconds:.1f} s, {rate:.3f} ms a token, peak {run.peak:.0f} MiB"
        )


if __name__ == "__main__":
    main()
