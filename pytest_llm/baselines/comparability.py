"""What has to be equal for two numbers to be compared, and putting the examples of both sides side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from pytest_llm.baselines.baseline import Baseline
from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity
from pytest_llm.judging.measurement import Measurement
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.wording import counted, listed

SHOWN = 3


class OfExamples(Protocol):
    """A measurement, or what will be one."""

    @property
    def examples(self) -> Sequence[Example]: ...


def differences(
    baseline: Baseline, measurement: Measurement, identity: Identity, *, same_dtype: bool = True
) -> list[str]:
    """Why the two cannot be compared, one line a reason; empty if they can.

    Args:
        baseline: what was recorded.
        measurement: what was measured now.
        identity: of the model that was measured now.
        same_dtype: whether another dtype is a reason; not where two models are compared for what they are.
    """
    reasons = _differences(baseline, measurement, identity)
    return [reason for reason in reasons if same_dtype or not reason.startswith("dtype:")]


def _differences(baseline: Baseline, m: Measurement, identity: Identity) -> Iterator[str]:
    if baseline.metric != m.metric:
        yield f"metric: {baseline.metric} was recorded, {m.metric} is measured"
    elif baseline.source:
        yield from _contradictions(baseline, m)
    elif baseline.signature != m.signature:
        yield from _parts(baseline.signature, m.signature)
    unknown = baseline.source and not (baseline.provenance.dtype and m.provenance.dtype)
    if baseline.provenance.dtype != m.provenance.dtype and not unknown:
        yield f"dtype: {baseline.provenance.dtype or 'unknown'} was recorded, this is {m.provenance.dtype or 'unknown'}"
    if m.counts == "tokens" and baseline.identity.tokenizer != identity.tokenizer:
        yield "tokenizer: another one, and the metric counts its tokens (byte_perplexity compares across tokenizers)"
    if baseline.statistics.shape[1] != m.statistics.shape[1]:
        yield f"statistics: {baseline.statistics.shape[1]} sums were recorded, there are {m.statistics.shape[1]} now"
    yield from _other_examples(baseline, m)


def unchecked(baseline: Baseline, m: Measurement) -> list[str]:
    """What is not known of an imported baseline, and so was not compared; empty for one of our own.

    A log of another harness is silent about settings that our signatures name. Refusing it for that would refuse every one;
    taking them for equal would be a claim that nobody has checked. So a comparison is made, and says this of itself.
    """
    if not baseline.source:
        return []
    now, before = m.signature.split("|"), baseline.known
    unknown = [part for part in now if part not in before]
    unknown += [part for part in before if not part.startswith("not:") and not _said(part, now)]
    unknown += [name for name in ("dtype", "device") if not getattr(baseline.provenance, name)]
    return [
        f"imported from {baseline.source}; not compared, since not known of both: {', '.join(unknown) or 'nothing'}"
    ]


def _said(part: str, parts: Sequence[str]) -> bool:
    """Whether a signature says anything about the setting that a part of another one is about."""
    return part in parts or any(other.startswith(f"{part.partition(':')[0]}:") for other in parts)


def _contradictions(baseline: Baseline, m: Measurement) -> Iterator[str]:
    """Settings that an imported baseline is known to have, or not to have, and that are otherwise now."""
    now = m.signature.split("|")
    for part in baseline.known:
        if part.startswith("not:"):
            if part.removeprefix("not:") in now:
                yield f"settings: the prompts of {baseline.source} were others than these: give the task= that asks as it did"
        elif part not in now and _said(part, now):
            yield f"settings: {part} was recorded, this is {m.signature}"


def _parts(recorded: str, now: str) -> Iterator[str]:
    """Which settings of two signatures differ."""
    old, new = recorded.split("|"), now.split("|")
    gone = [part for part in old if part not in new]
    come = [part for part in new if part not in old]
    yield f"settings: {'|'.join(gone) or 'nothing'} was recorded, this is {'|'.join(come) or 'nothing'}"


def _other_examples(baseline: Baseline, m: Measurement) -> Iterator[str]:
    recorded = dict(zip(baseline.ids, baseline.contents, strict=True))
    current = dict(zip(_keys(baseline, m), m.examples, strict=True))
    if len(current) < m.n:
        yield f"data: {m.n - len(current)} examples are the same as others, and the log has no ids to tell them apart"
    new = [example.label for id_, example in current.items() if id_ not in recorded]
    gone = [] if m.left_out or m.stopped is not None else [id_ for id_ in recorded if id_ not in current]
    edited = [e.label for id_, e in current.items() if id_ in recorded and e.content != recorded[id_]]
    for title, names in (("not in the baseline", new), ("only in the baseline", gone), ("changed", edited)):
        if names:
            yield f"data: {counted(len(names), 'example')} {title}: {listed(names, SHOWN)}"


def same_examples(baseline: Baseline, measured: OfExamples) -> bool:
    """Whether the baseline has these examples, all of them and no others."""
    recorded = dict(zip(baseline.ids, baseline.contents, strict=True))
    contents = [example.content for example in measured.examples]
    return recorded == dict(zip(_keys(baseline, measured), contents, strict=True))


def aligned(baseline: Baseline, measured: OfExamples) -> FloatArray:
    """The baseline's statistics of the examples that were, or will be, measured, in their order."""
    place = {id_: row for row, id_ in enumerate(baseline.ids)}
    return baseline.statistics[[place[key] for key in _keys(baseline, measured)]]


def _keys(baseline: Baseline, measured: OfExamples) -> list[str]:
    """What examples are paired by: their ids; or their contents, where an imported baseline's log has no ids."""
    by_content = baseline.source and baseline.ids == baseline.contents
    return [example.content if by_content else example.id for example in measured.examples]
