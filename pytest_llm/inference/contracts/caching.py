"""Cache consistency: what is read in steps gives the logits of what is read at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.differences import difference, unsettled
from pytest_llm.inference.contracts.locating import Located, first_layer
from pytest_llm.inference.contracts.padding import default_sides, padded, shortened
from pytest_llm.inference.contracts.subject import Reading, Subject
from pytest_llm.judging.contract import Case, Examination
from pytest_llm.models.network import Network

LENGTH = 16
"""Tokens of each sequence, unless it is told otherwise: each is a call of the model."""
CONTRACT, KEPT = "cache_consistency", "consistent with its cache"


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A way to read a batch in steps."""

    name: str
    tokens: torch.Tensor
    mask: torch.Tensor | None
    steps: tuple[int, ...]
    """How many tokens each step reads."""
    between: torch.Tensor | None = None
    """Another batch, read in the same steps with a cache of its own in between."""


def cache_consistency(subject: Subject) -> Examination:
    """Read each sequence at once without a cache, then token by token, in chunks, between steps of another batch, and padded."""
    network = subject.network
    if network.cache_name is None:
        raise MisuseError(f"{network.name} takes no cache (past_key_values): there is nothing to be consistent with")
    if broken := unsettled(subject, CONTRACT, KEPT):
        return broken
    length = min(map(len, subject.sequences))
    whole = [Reading(s.name, s.tokens[:length], s.text) for s in subject.sequences]
    cases: list[Case] = []
    located: Located = ()
    for plan, sequences in _plans(network, whole):
        logits = _read(network, plan)
        for row, sequence in enumerate(sequences):
            alone = network.read(sequence.tokens[None])[0]
            real = slice(None) if plan.mask is None else plan.mask[row]
            apart = difference(alone, logits[row][real], subject.tolerance.amount)
            finding = (
                f"reading {sequence.name} {plan.name} changes the logits of position {apart.first} by {apart} at most"
            )
            if apart.first != apart.position:
                finding = (
                    f"reading {sequence.name} {plan.name} changes its logits from position {apart.first} on, by {apart} at "
                    f"position {apart.position}"
                )
            cases.append(Case(f"{sequence.name}, {plan.name}", apart.amount, finding, sequence.text))
            if not located and not apart.amount <= subject.tolerance.amount:
                located = _where(network, sequence, plan, row, apart.first)
    return subject.examination(
        CONTRACT,
        KEPT,
        cases,
        "positions go on where the cache ends, the mask covers what it holds, and nothing is kept outside of it",
        settings=[f"cache:{network.cache_name}"],
        located=located,
    )


def _plans(network: Network, whole: Sequence[Reading]) -> Iterator[tuple[_Plan, Sequence[Reading]]]:
    rows = torch.stack([sequence.tokens for sequence in whole])
    length = rows.shape[1]
    yield _Plan("token by token", rows, None, (1,) * length), whole
    chunk = max(1, length // 3)
    yield _Plan(f"in chunks of {chunk}", rows, None, _steps(length, chunk)), whole
    yield _Plan("between steps of another text", rows, None, _steps(length, chunk), rows.flip(1)), whole
    if network.mask_name is not None and "left" in default_sides(network):
        ragged = shortened(whole)
        tokens, mask = padded(network, ragged, "left", 2)
        width = tokens.shape[1]
        half = width // 2
        yield _Plan("padded on the left, then token by token", tokens, mask, (half, *(1,) * (width - half))), ragged


def _steps(length: int, chunk: int) -> tuple[int, ...]:
    return tuple(min(chunk, length - start) for start in range(0, length, chunk))


def _read(network: Network, plan: _Plan) -> torch.Tensor:
    cache: Any = None
    other: Any = None
    parts, end = [], 0
    for step in plan.steps:
        start, end = end, end + step
        mask = None if plan.mask is None else plan.mask[:, :end]
        logits, cache = network.read_on(plan.tokens[:, start:end], mask, cache)
        parts.append(logits)
        if plan.between is not None:
            _, other = network.read_on(plan.between[:, start:end], None, other)
    return torch.cat(parts, dim=1)


def _where(network: Network, sequence: Reading, plan: _Plan, row: int, position: int) -> Located:
    place = position if plan.mask is None else int(plan.mask[row].nonzero()[position])
    if plan.between is not None:  # the layers would be heard reading both
        return ()
    return first_layer(
        network,
        lambda: network.read(sequence.tokens[None]),
        lambda: _read(network, plan),
        lambda states: states[0, position][None],
        lambda states: states[row, place][None],
    )
