"""What bfloat16 costs in accuracy: perplexities of 120 documents and of the corpus, against float32.

    python tests/benchmarks/precision.py [--documents 120]

Both are scored by this engine.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from pytest_llm.models.language_model import Window
from pytest_llm.models.loading import Dtype
from pytest_llm.statistics.jackknife import FloatArray
from tests.benchmarks.documents import documents
from tests.benchmarks.sides import load_smollm2


def totals(dtype: Dtype, texts: list[str]) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood and number of tokens of each document."""
    model = load_smollm2(dtype)
    windows = [Window((0, *tokens), len(tokens)) for tokens in model.encode(texts)]
    scores = model.score_windows(windows)
    return np.array([array.sum() for array in scores]), np.array([float(len(array)) for array in scores])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=120)
    options = parser.parse_args()
    texts = documents(options.documents)
    expected, tokens = totals("float32", texts)
    found, _ = totals("bfloat16", texts)
    of_documents = np.abs(np.exp((expected - found) / tokens) - 1)
    of_corpus = abs(math.exp((expected.sum() - found.sum()) / tokens.sum()) - 1)
    print(f"{options.documents} documents, SmolLM2-135M, perplexity in bfloat16 against float32")
    print(f"  of a document: {of_documents.mean():.2%} on average, {of_documents.max():.2%} at most")
    print(f"  of the corpus: {of_corpus:.3%}")


if __name__ == "__main__":
    main()
