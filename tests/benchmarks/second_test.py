"""What a second test on the same model and data costs: no forward pass, and how many milliseconds?

    python tests/benchmarks/second_test.py

SmolLM2-135M in float32, 1 000 short texts. The first measurement scores them; the later ones look them up, which takes
reading all weights once to be sure that they are the same.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

ROUNDS = 9


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from pytest_llm import load_model, measure
    from pytest_llm.inference.memo import remembering
    from tests.benchmarks.documents import documents

    texts = [" ".join(text.split()[:6]) + f" {index}" for index, text in enumerate(documents(1000))]
    model = load_model("smollm2", device="cpu")
    seconds = []
    with remembering():
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            value = measure(model, texts, "perplexity").value
            seconds.append((time.perf_counter() - began, value))
    if len({value for _, value in seconds}) != 1:
        raise SystemExit("the measurements differ")
    first, *others = (took for took, _ in seconds)
    again = statistics.median(others)
    print(
        f"first test: {first:.1f} s; a later one: {again * 1000:.0f} ms (median of {ROUNDS}), {first / again:.0f} × faster"
    )


if __name__ == "__main__":
    main()
