"""A stored baseline, for a reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_llm.baselines.baseline import Baseline, as_measurement
from pytest_llm.errors import MisuseError
from pytest_llm.wording import number, printable


def lines(baseline: Baseline, path: Path) -> Iterator[str]:
    """The value, and below it what it rests on."""
    yield f"{baseline.metric} {number(baseline.value)}"
    yield from (f"  {title:<10} {text}" for title, text in _parts(baseline, path))


def _parts(baseline: Baseline, path: Path) -> Iterator[tuple[str, str]]:
    if baseline.interval is not None:
        low, high = map(number, baseline.interval)
        yield "interval", f"{low} to {high} on text like this (95 %)"
    units = f" in {len(set(baseline.units))} clusters" if baseline.units else ""
    counted = "" if baseline.counts == "examples" else f", {baseline.statistics[:, -1].sum():.0f} {baseline.counts}"
    yield "measured", f"{len(baseline.ids)} examples{units}{counted}, {baseline.data}"
    yield from _worst(baseline)
    yield "model", str(baseline.provenance)
    for what, digest in (("weights", baseline.identity.weights), ("tokenizer", baseline.identity.tokenizer)):
        if digest:
            yield what, digest
    yield "signature", baseline.signature
    yield "recorded", ", ".join(f"{what} {said}" for what, said in baseline.recorded.items() if said)
    yield "file", str(path)


def _worst(baseline: Baseline) -> Iterator[tuple[str, str]]:
    try:
        worst = as_measurement(baseline).worst()
    except MisuseError as error:  # of a later version, say; the rest can be shown
        yield "worst", f"not known: {error}"
        return
    for rank, (example, value) in enumerate(worst):
        yield "" if rank else "worst", f"{value:>9.4g}  {printable(example.label)}"
