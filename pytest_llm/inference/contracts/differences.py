"""How far two answers are apart, where, and whether asking twice gives the same at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch

from pytest_llm.inference.contracts.subject import Reading, Subject
from pytest_llm.judging.contract import Case, Examination
from pytest_llm.wording import number


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two answers `[length, entries]` the largest difference of one logit."""

    amount: float
    """NaN where one of the two is no number."""
    position: int
    first: int
    """The first position that differs by more than was asked for; `position` if none does."""

    def __str__(self) -> str:
        return "no number" if math.isnan(self.amount) else number(self.amount)


def difference(one: torch.Tensor, other: torch.Tensor, tolerated: float = 0.0) -> Difference:
    """The largest difference of two answers to the same question; equal infinities are equal.

    Args:
        one: `[length, entries]`.
        other: of the same shape; it may be on another device and of another type.
        tolerated: what does not count for `first`.
    """
    apart = at_positions(one, other)
    broken, nan = ~(apart <= tolerated), apart.isnan()
    position = int(nan.int().argmax()) if nan.any() else int(apart.argmax())
    first = int(broken.int().argmax()) if broken.any() else position
    return Difference(float(apart[position]), position, first)


def at_positions(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The largest difference of a logit at each position, `[length, entries]` twice to `[length]`; NaN where one is no number."""
    other = other.to(one.device)
    apart = (one.double() - other.double()).abs()
    same = (one == other) & ~one.isnan()  # of infinities, whose difference is no number
    return apart.masked_fill(same, 0.0).amax(dim=1)


def unsettled(subject: Subject, contract: str, kept: str) -> Examination | None:
    """A broken examination if the same tokens, asked twice, differ: then nothing else can be told. None if they do not."""
    for once, twice, sequence in _twice(subject):
        apart = difference(once, twice)
        if apart.amount <= subject.tolerance.amount:
            continue
        if math.isnan(apart.amount):
            finding, remedy = f"the logits of position {apart.position} of {sequence.name} are no numbers", NAN_REMEDY
        else:
            finding, remedy = (
                f"the same tokens asked twice differ by {apart} at position {apart.position} of {sequence.name}, so nothing else "
                f"can be told",
                "dropout left on is the usual reason: model.eval(); see assert_deterministic",
            )
        case = Case(f"{sequence.name}, twice", apart.amount, finding, sequence.text)
        return subject.examination(contract, kept, [case], remedy)
    return None


def _twice(subject: Subject) -> Iterator[tuple[torch.Tensor, torch.Tensor, Reading]]:
    for _, rows in groupby(sorted(subject.sequences, key=len), key=len):
        same = list(rows)
        batch = torch.stack([sequence.tokens for sequence in same])
        yield from zip(subject.network.read(batch), subject.network.read(batch), same, strict=True)


NAN_REMEDY = "find the layer that yields NaN: weights that overflow float16 are the usual cause (try dtype float32)"
