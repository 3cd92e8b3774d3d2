"""Batch invariance: what else is in a batch, and in which order, changes no logit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from pytest_llm.inference.contracts.differences import difference, unsettled
from pytest_llm.inference.contracts.locating import Located, first_layer
from pytest_llm.inference.contracts.subject import Reading, Subject, random_sequence
from pytest_llm.judging.contract import Case, Examination

CONTRACT, KEPT = "batch_invariance", "batch-invariant"


def batch_invariance(subject: Subject) -> Examination:
    """Read each sequence alone, and then among others of its length: its logits must be the same.

    All have one length, so there is no padding, and models that take no mask can be asked too.
    """
    if broken := unsettled(subject, CONTRACT, KEPT):
        return broken
    network = subject.network
    length = min(map(len, subject.sequences))
    sequences = [Reading(s.name, s.tokens[:length], s.text) for s in subject.sequences]
    sequences += [random_sequence(network, length, place) for place in range(7, 10 - min(2, len(sequences)))]
    rows = torch.stack([sequence.tokens for sequence in sequences])
    alone = [network.read(row[None])[0] for row in rows]
    cases: list[Case] = []
    located: Located = ()
    for what, order in _batches(len(sequences)):
        logits = network.read(rows[order])
        for place, index in enumerate(order):
            apart = difference(alone[index], logits[place])
            finding = f"{what} changes the logits of position {apart.position} of {sequences[index].name} by {apart}"
            name = f"{sequences[index].name}, row {place + 1} of {len(order)}: {what}"
            cases.append(Case(name, apart.amount, finding, sequences[index].text))
            if not located and not apart.amount <= subject.tolerance.amount:
                located = first_layer(
                    network,
                    partial(network.read, rows[index][None]),
                    partial(network.read, rows[order]),
                    partial(_at, 0, apart.position),
                    partial(_at, place, apart.position),
                )
    return subject.examination(
        CONTRACT,
        KEPT,
        cases,
        "nothing may be normalised, pooled or routed across the rows of a batch",
        located=located,
    )


def _at(row: int, position: int, states: torch.Tensor) -> torch.Tensor:
    return states[row, position][None]


def _batches(count: int) -> Iterator[tuple[str, list[int]]]:
    """What changes, and the batch as indices of sequences."""
    everything = list(range(count))
    yield "company in the batch", everything
    yield "another order of the batch", everything[::-1]
    yield "a neighbour that stands there twice", [0, 0, *everything[1:2]]
