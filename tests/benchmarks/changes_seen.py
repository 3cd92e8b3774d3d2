"""What a gate sees of a change to a real model, if it compares example by example, and if it compares two separate values.

    python tests/benchmarks/changes_seen.py [--documents 100]

SmolLM2-135M in float32 against itself: in bfloat16, with its linear layers in int8 (`finetuning.compression.quantization`), and
with noise of rising size on its weights. For each change: how much worse the perplexity is on these documents, the interval of
that for text like this, verdict and smallest drop that is caught (19 times of 20) by `assert_no_regression` with a tolerance
of 1 %; then the verdict of a one-sided test of the two values with their separate intervals, and the smallest drop that
this one catches.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from scipy import stats

from pytest_llm import Measurement, measure
from pytest_llm.finetuning.compression.quantization import quantize
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.regression import judge_change
from pytest_llm.statistics.jackknife import Estimate
from pytest_llm.statistics.paired import POWER
from pytest_llm.tolerance import Tolerance, parse_amount
from tests.benchmarks.documents import documents
from tests.benchmarks.sides import load_smollm2

ALPHA, TOLERANCE = 0.01, "1%"
LONGEST = 100  # words: long documents take long, and say no more about the gate


def changes(original: Any) -> Iterator[tuple[str, Any]]:
    """Each change by name, and the changed model."""
    yield "none", original
    yield "bfloat16", load_smollm2("bfloat16")
    yield "int8 linear layers", quantize(original).model
    for share in (0.01, 0.02, 0.05, 0.1):
        yield f"noise of {share:.1%} on the weights", (shaken(original.module, share), original.tokenizer)


def shaken(module: torch.nn.Module, share: float) -> torch.nn.Module:
    changed, random = copy.deepcopy(module), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in changed.parameters():
            weight.add_(share * weight.std() * torch.randn(weight.shape, generator=random))
    return changed


def row(name: str, after: Measurement, before: Measurement) -> str:
    comparison = Comparison(after, "before", before.statistics)
    verdict = judge_change(comparison, Tolerance(parse_amount("tolerance", TOLERANCE), ALPHA))
    found, tolerated = comparison.change, comparison.as_drop(parse_amount("tolerance", TOLERANCE))
    assert found is not None
    low, high = (math.expm1(found.bound(quantile)) for quantile in (0.025, 0.975))
    caught = math.expm1(found.smallest_caught(tolerated, ALPHA))
    separate, unpaired = unpaired_verdict(after, before, comparison.drop, tolerated)
    return (
        f"| {name} | {math.expm1(comparison.drop):+.2%} | {low:+.2%} to {high:+.2%} | {verdict.outcome.value} | {caught:.1%} "
        f"| {separate} | {unpaired:.0%} |"
    )


def unpaired_verdict(after: Measurement, before: Measurement, drop: float, tolerated: float) -> tuple[str, float]:
    """The same rule, from the two separate standard errors."""
    assert isinstance(after.estimate, Estimate)
    assert isinstance(before.estimate, Estimate)
    error, freedom = math.hypot(after.estimate.standard_error, before.estimate.standard_error), 2 * (after.n - 1)
    caught = max(tolerated, float(stats.t.isf(ALPHA, freedom)) * error) + float(stats.norm.ppf(POWER)) * error
    if drop <= tolerated:
        return "passed", math.expm1(caught)
    return ("regressed" if stats.t.sf(drop / error, freedom) < ALPHA else "suspect"), math.expm1(caught)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100)
    options = parser.parse_args()
    texts = [" ".join(text.split()[:LONGEST]) for text in documents(options.documents)]
    original = load_smollm2("float32")
    before = measure(original, texts, "perplexity")
    print(
        f"SmolLM2-135M, perplexity {before.value:.4g} of {before.n} documents, {int(before.statistics[:, -1].sum())} tokens\n"
    )
    print("| change | worse by | on text like this (95 %) | by example | catches | by two values | catches |")
    print("|---|---|---|---|---|---|---|")
    for name, model in changes(original):
        print(row(name, measure(model, texts, "perplexity"), before), flush=True)


if __name__ == "__main__":
    main()
