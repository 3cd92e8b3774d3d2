"""Causality: no logit depends on a later token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pytest_llm.inference.contracts.differences import at_positions, unsettled
from pytest_llm.inference.contracts.locating import Located, first_layer, looking
from pytest_llm.inference.contracts.subject import Reading, Subject
from pytest_llm.judging.contract import Case, Examination
from pytest_llm.models.network import Network
from pytest_llm.wording import number

CONTRACT, KEPT = "causality", "causal"
_ROWS = 16
"""Of one batch: as many texts as are changed in other places."""


def causality(subject: Subject) -> Examination:
    """Change what comes after a cut, and look whether anything before it changes.

    All tokens behind a cut are exchanged at once, so a leak across it shows however far it reaches. Cuts stand at powers of two,
    where blocks and windows begin, and before the last token; if one leaks, all are tried, which finds the first position
    that sees too much and the farthest token that it sees.
    """
    if broken := unsettled(subject, CONTRACT, KEPT):
        return broken
    cases: list[Case] = []
    culprit: int | None = None
    located: Located = ()
    for sequence in subject.sequences:
        changes = _changes(subject.network, sequence, _cuts(len(sequence)))
        if culprit is None and any(not change.max() <= subject.tolerance.amount for change in changes.values()):
            changes = _changes(subject.network, sequence, range(1, len(sequence)))
            leak, located = _first_leak(subject, sequence, changes)
            culprit = len(cases)
            cases.append(leak)
        cases += [_case(sequence, cut, change) for cut, change in changes.items()]
    return subject.examination(
        CONTRACT,
        KEPT,
        cases,
        "mask later keys in every layer: is_causal, or a lower triangle whose diagonal is the token itself",
        culprit=culprit,
        located=located,
    )


def _cuts(length: int) -> list[int]:
    powers = [2**power for power in range(length.bit_length()) if 2**power < length]
    return sorted({*powers, length - 1})


def _changes(network: Network, sequence: Reading, cuts: Sequence[int]) -> dict[int, torch.Tensor]:
    """For each cut how much the logits of each position before it change when all tokens from it on do."""
    found = {}
    plain, other = sequence.tokens, _others(network, sequence.tokens)
    for start in range(0, len(cuts), _ROWS):
        part = cuts[start : start + _ROWS]
        # the unchanged text stands in the same batch: of the same shape, it is rounded in the same way
        logits = network.read(torch.stack([plain, *(torch.cat([plain[:cut], other[cut:]]) for cut in part)]))
        for row, cut in enumerate(part, start=1):
            found[cut] = at_positions(logits[0, :cut], logits[row, :cut])
    return found


def _others(network: Network, tokens: torch.Tensor) -> torch.Tensor:
    """Another token in the place of each: half a vocabulary on, which is never the same."""
    return (tokens + max(1, network.vocabulary // 2)) % network.vocabulary


def _case(sequence: Reading, cut: int, change: torch.Tensor) -> Case:
    name = f"{sequence.name}, changed from token {cut} on"
    place = int(change.nan_to_num(nan=torch.inf).argmax())
    amount = float(change[place])
    finding = f"changing the tokens from {cut} on changes position {place} of {sequence.name} by {number(amount)}"
    return Case(name, amount, finding, sequence.text)


def _first_leak(subject: Subject, sequence: Reading, changes: dict[int, torch.Tensor]) -> tuple[Case, Located]:
    """The first position that changes, and the last cut that changes it: the farthest token that it sees."""
    network = subject.network
    leaks = [(int(place), -cut) for cut, c in changes.items() for place in (~(c <= subject.tolerance.amount)).nonzero()]
    position, cut = min(leaks)
    token = -cut
    changed = sequence.tokens.clone()
    changed[token] = _others(network, sequence.tokens)[token]
    pair = torch.stack([sequence.tokens, changed])
    logits = network.read(pair)
    apart = float(at_positions(logits[0, : position + 1], logits[1, : position + 1])[position])
    what = f"changing token {token}"
    if apart <= subject.tolerance.amount:  # not by itself: only together with those behind it
        apart, what = float(changes[token][position]), f"changing the tokens from {token} on"
        pair[1, token:] = _others(network, sequence.tokens)[token:]
    where = first_layer(
        network,
        lambda: network.read(pair),
        lambda: network.read(pair),
        lambda states: states[0, position][None],
        lambda states: states[1, position][None],
    )
    finding = f"{what} changes the logits of position {position} of {sequence.name} by {number(apart)}"
    heads = looking(network, sequence.tokens[None], None, position, [token])
    return Case(f"{sequence.name}, position {position}", apart, finding, sequence.text), (*where, *heads)
