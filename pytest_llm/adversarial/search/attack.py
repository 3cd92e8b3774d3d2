"""The attack on one text: from the clean check to the smallest script that breaks it, as questions to a scorer.

    clean check              broken as it is: skipped
    ranking                  which words matter: each left out in turn, or gains that were foretold from gradients
    beam                     per round the most promising scripts of 1, 2, … edits; twice as many in the next pass
    what is left             if all scripts fit into the budget all are tried: then "it holds" is exact
    minimising               without edits it does not need, with milder ones; then fewer are searched for, as long again

It asks in lists of texts and knows nothing of models (`lockstep`). The same table, settings and losses give the same attack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from pytest_llm.adversarial.counter_example import Minimality
from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.adversarial.search.lockstep import Asking
from pytest_llm.adversarial.search.minimise import minimised
from pytest_llm.adversarial.search.ranking import Gains, by_gains, by_words, importance
from pytest_llm.adversarial.search.tried import Tried
from pytest_llm.adversarial.table import CandidateTable
from pytest_llm.errors import MisuseError

State: TypeAlias = Literal["skipped", "held", "broken"]
Ranking: TypeAlias = Literal["words", "gradients"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How hard one text is attacked.

    Raises:
        MisuseError: a number below 1.
    """

    queries: int = 300
    """The most texts that the model reads before the search gives up. Leaving out edits that are not needed comes on top."""
    beam: int = 2
    """How many scripts are extended by one edit more."""
    width: int = 16
    """How many scripts of one length are tried at once in the first pass; twice as many in the next."""
    seed: int = 0
    """In which order equally promising edits are tried."""
    ranking: Ranking = "words"
    """"words": those first whose absence moves the answer most, which any model can be asked. "gradients": edits that the
    gradient of the embeddings foretells most of, which takes a model of `transformers` or the core."""

    def __post_init__(self) -> None:
        if self.ranking not in ("words", "gradients"):
            raise MisuseError(f"ranking={self.ranking!r}: expected 'words' or 'gradients'")
        for name in ("queries", "beam", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise MisuseError(f"{name}={value!r}: expected a whole number, at least 1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one text."""

    state: State
    exact: bool
    """Whether it is certain: broken, skipped, or all scripts of the budget were tried and hold."""
    smallest: EditScript | None = None
    worst: EditScript | None = None
    minimality: Minimality = "unknown"


def attack(table: CandidateTable, search: Search, gains: Gains | None = None) -> Asking[Outcome]:
    """Attack one text.

    Args:
        table: the edits that are allowed.
        search: how hard.
        gains: how much each edit alone is foretold to add to the loss; None: words are ranked by leaving them out.
    """
    tried = Tried(table, search.queries)
    yield from tried.ask([EditScript(table.text)])
    if tried.clean > 0:
        return Outcome("skipped", exact=True)
    order = yield from _order(tried, search, gains)
    most = table.budget.max_edits
    smallest: EditScript | None = None
    while most and (yield from _breaks(tried, search, order, most)):
        if smallest is None:
            tried.limit(2)  # finding fewer edits may take as long as finding these
        smallest = yield from minimised(tried)
        most = len(smallest) - 1
    complete = tried.complete(most)
    if smallest is None:
        return Outcome("held", exact=complete)
    return Outcome("broken", True, smallest, tried.worst, "smallest" if complete else "irreducible")


def _order(tried: Tried, search: Search, gains: Gains | None) -> Asking[list[Edit]]:
    """All edits, the most promising first."""
    table = tried.table
    if gains is not None:
        return by_gains(table, gains)
    if len(table) <= 2 * table.sites + search.width:  # ranking would cost as much as trying
        return by_words(table, [0.0] * table.sites, search.seed)
    return by_words(table, (yield from importance(tried)), search.seed)


def _breaks(tried: Tried, search: Search, order: Sequence[Edit], most: int) -> Asking[bool]:
    """Search until a script of at most so many edits breaks it, all have been tried, or the budget is spent."""
    width = search.width
    while tried.left and not tried.breaks(most):
        before = tried.left
        for size in range(1, most + 1):
            yield from tried.ask(islice(_proposals(tried, order, size, search.beam), min(width, tried.left)))
            if tried.breaks(most):
                return True
        width *= 2
        if tried.left == before:  # the beam has nothing more to propose
            yield from tried.ask(islice(tried.untried(most), tried.left))
            break
    return tried.breaks(most)


def _proposals(tried: Tried, order: Sequence[Edit], size: int, beam: int) -> Iterator[EditScript]:
    """Scripts of so many edits that were not tried, the most promising first: as if gains of single edits added up."""
    gains = tried.gains()
    pairs = [(base, edit) for base in tried.best(size - 1, beam) for edit in order]
    if size > 1:  # edits that were not tried alone come last, in their order, which a stable sort keeps
        pairs.sort(key=lambda pair: -(tried.loss(pair[0]) + gains[pair[1]]) if pair[1] in gains else math.inf)
    seen: set[str] = set()
    for base, edit in pairs:
        longer = base.with_edit(edit)
        if longer is None or tried.knows(longer) or longer.perturbed in seen or not tried.table.allows(longer):
            continue
        seen.add(longer.perturbed)
        yield longer
