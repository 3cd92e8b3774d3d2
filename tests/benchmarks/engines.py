"""Ways to ask the same model: all at once, one text at a time, by two processes. How long each takes, and how answers differ.

    python tests/benchmarks/engines.py [--documents 60] [--rounds 3]

Differences are between log-likelihoods of whole documents, relative, and between perplexities of the corpus.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_llm.inference.engine import Engine, ask, using
from pytest_llm.models.language_model import Window
from tests.benchmarks.documents import documents
from tests.benchmarks.sides import load_smollm2

ENGINES = {
    "all at once": Engine(),
    "one text at a time (deterministic)": Engine(deterministic=True),
    "two processes, a thread each": Engine(processes=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = load_smollm2()
    windows = [Window((0, *tokens), len(tokens)) for tokens in model.encode(documents(options.documents))]
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    totals: dict[str, list[float]] = {}
    for engine in ENGINES.values():  # the probe, the choice of kernels, and the start of the processes are not timed
        with using(engine):
            ask(model, "score_windows", windows[:2])
    for _ in range(options.rounds):
        for name, engine in ENGINES.items():
            began = time.perf_counter()
            with using(engine):
                totals[name] = [float(scores.sum()) for scores in ask(model, "score_windows", windows)]
            seconds[name].append(time.perf_counter() - began)
    tokens = sum(window.scored for window in windows)
    print(f"{options.documents} documents, {tokens} tokens, SmolLM2-135M, float32, median of {options.rounds} rounds")
    expected = totals["all at once"]
    for name, of_engine in totals.items():
        document = max(abs(total / right - 1) for total, right in zip(of_engine, expected, strict=True))
        corpus = abs(math.exp((sum(expected) - sum(of_engine)) / tokens) - 1)
        print(
            f"{name:>36}  {statistics.median(seconds[name]):6.1f} s  document {document:.1e}  perplexity {corpus:.1e}"
        )


if __name__ == "__main__":
    main()
