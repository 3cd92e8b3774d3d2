"""In which order edits are tried: those of the words that matter most first, or those that gradients foretell most of."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pytest_llm.adversarial.edit import Edit
from pytest_llm.adversarial.search.lockstep import Asking
from pytest_llm.adversarial.search.tried import Tried
from pytest_llm.adversarial.table import CandidateTable

Gains: TypeAlias = Mapping[Edit, float]
"""How much each edit alone is foretold to add to the loss. A filter only: what is tried is scored by the model."""

_TURN = 4
"""So many edits of a word are tried before the next word has its turn."""


def importance(tried: Tried) -> Asking[list[float]]:
    """Of each word how much the loss grows without it (leave-one-out, as DeepWordBug and TextFooler rank words)."""
    text = tried.table.text
    without = [text[:start] + text[end:] for start, end in tried.table.document.words]
    losses = yield from tried.ask_texts(without)
    return [loss - tried.clean for loss in losses]


def by_words(table: CandidateTable, weights: Sequence[float], seed: int) -> list[Edit]:
    """All edits: a few of the most important word, a few of the next one and more of the first, and so on.

    Within a word they are shuffled: neighbours in the table do much the same.
    """
    ranked = sorted(range(table.sites), key=lambda site: -weights[site])
    turns: list[tuple[int, int, Edit]] = []
    for rank, site in enumerate(ranked):
        edits = list(table.at(site))
        random.Random(f"{seed}|{site}|{table.text}").shuffle(edits)
        turns += [(rank + place // _TURN, rank, edit) for place, edit in enumerate(edits)]
    return [edit for _, _, edit in sorted(turns, key=lambda turn: turn[:2])]


def by_gains(table: CandidateTable, gains: Gains) -> list[Edit]:
    """All edits: those that are foretold to add most first, in the table's order where nothing is foretold."""
    return sorted(table, key=lambda edit: -gains.get(edit, 0.0))
