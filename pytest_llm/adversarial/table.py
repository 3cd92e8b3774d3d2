"""All edits of a text that are allowed, as one finite table: drawn from, searched, enumerated and replayed alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from rapidfuzz.distance import Levenshtein

from pytest_llm.adversarial.document import Document, protected_spans
from pytest_llm.adversarial.edit import Edit, EditScript, changed_words
from pytest_llm.adversarial.operation import Operation
from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of a text may be changed. None means no limit of this kind.

    Raises:
        MisuseError: a limit below 1, which would allow nothing.
    """

    max_edits: int = 3
    max_words: int | None = None
    """Words of the original that are touched."""
    max_cost: float | None = None
    """Sum of the costs of the operations."""
    max_levenshtein: int | None = None
    """Insertions, deletions and substitutions of characters between the original and the perturbed text."""
    protect: tuple[str | re.Pattern[str], ...] = ()
    """Never touched: strings as they stand, or compiled patterns."""

    def __post_init__(self) -> None:
        for name in ("max_edits", "max_words", "max_cost", "max_levenshtein"):
            limit = getattr(self, name)
            if limit is not None and not limit >= 1:
                raise MisuseError(f"{name}={limit!r} allows no edit: expected at least 1")
        if isinstance(self.protect, str):
            raise MisuseError(f"protect={self.protect!r}: expected a tuple of strings or patterns, not one string")


@dataclass(frozen=True)
class CandidateTable:
    """`operation → site → edits` of one text; see `candidate_table`.

    A cell that is empty means "no edit", so that three whole numbers always name something, and stay at their place
    while a shrinker makes them smaller.
    """

    document: Document
    operations: tuple[Operation, ...]
    """The mildest first: by cost, then as they were given."""
    budget: Budget
    cells: dict[tuple[int, int], tuple[Edit, ...]]
    """By the numbers of operation and site; without empty cells."""

    @property
    def text(self) -> str:
        return self.document.text

    @property
    def sites(self) -> int:
        """How many there are; also where no operation has an edit."""
        return len(self.document.words)

    def __iter__(self) -> Iterator[Edit]:
        """All edits: the mildest operation first, along the text, in each cell the mildest first."""
        for key in sorted(self.cells):
            yield from self.cells[key]

    def __len__(self) -> int:
        return sum(map(len, self.cells.values()))

    def edit(self, operation: int, site: int, candidate: int) -> Edit | None:
        """What three numbers name; the last one counts round. None where the operation has nothing at this site."""
        cell = self.cells.get((operation, site))
        return cell[candidate % len(cell)] if cell else None

    @cached_property
    def filled_sites(self) -> list[tuple[int, list[int]]]:
        """Sites where something can be done, each with the operations that can, the mildest first."""
        present: dict[int, list[int]] = {}
        for operation, site in sorted(self.cells):
            present.setdefault(site, []).append(operation)
        return sorted(present.items())

    def at(self, site: int) -> tuple[Edit, ...]:
        """All edits at one site, the mildest operation first."""
        return tuple(
            edit for operation in range(len(self.operations)) for edit in self.cells.get((operation, site), ())
        )

    def cost(self, edits: Iterable[Edit]) -> float:
        """The sum of their operations' costs."""
        return sum(self._costs[edit.operation] for edit in edits)

    @cached_property
    def _costs(self) -> dict[str, float]:
        return {operation.name: operation.cost for operation in self.operations}

    def allows(self, script: EditScript) -> bool:
        """Whether a script of this table's edits is within the budget."""
        budget = self.budget
        if len(script) > budget.max_edits:
            return False
        if budget.max_words is not None and changed_words(script.edits, self.document.words) > budget.max_words:
            return False
        if budget.max_cost is not None and self.cost(script.edits) > budget.max_cost:
            return False
        limit = budget.max_levenshtein
        return limit is None or Levenshtein.distance(script.text, script.perturbed, score_cutoff=limit) <= limit

    def script(self, edits: Iterable[Edit | None]) -> EditScript:
        """A script of these edits, one after the other: one that meets an earlier one or exceeds the budget is left out."""
        script = EditScript(self.text)
        for edit in edits:
            longer = script.with_edit(edit) if edit is not None else None
            if longer is not None and self.allows(longer):
                script = longer
        return script

    def scripts(self, edits: int) -> Iterator[EditScript]:
        """All scripts of exactly so many edits, within the budget."""
        for chosen in combinations(self, edits):
            if not any(one.meets(other) for one, other in combinations(chosen, 2)):
                script = EditScript(self.text, chosen)
                if self.allows(script):
                    yield script

    def size(self, script: EditScript) -> tuple[int, float]:
        """How much a script changes: the number of its edits, then what they cost."""
        return len(script), self.cost(script.edits)

    def takes(self, script: EditScript) -> bool:
        """Whether a stored script is one of this attack: of its operations, within the budget, and away from what is protected."""
        own = (edit.operation in self._costs and self.document.allows(edit.start, edit.end) for edit in script.edits)
        return bool(script.edits) and all(own) and self.allows(script)


def candidate_table(text: str, operations: Sequence[Operation], budget: Budget | None = None) -> CandidateTable:
    """All edits that operations propose for a text, those alone that change it and touch nothing protected.

    Raises:
        MisuseError: no operation, two of one name, or not a string.
    """
    if not isinstance(text, str):
        raise MisuseError(f"{text!r}: expected a text to edit")
    names = [operation.name for operation in operations]
    if not names or len(set(names)) < len(names):
        raise MisuseError(f"operations {names}: expected at least one, and no name twice")
    budget = Budget() if budget is None else budget
    document = Document(text, protected_spans(text, budget.protect))
    ordered = tuple(sorted(operations, key=lambda operation: operation.cost))
    cells: dict[tuple[int, int], tuple[Edit, ...]] = {}
    for number, operation in enumerate(ordered):
        for site in range(len(document.words)):
            edits = _edits(document, operation, site)
            if edits:
                cells[number, site] = edits
    return CandidateTable(document, ordered, budget, cells)


def _edits(document: Document, operation: Operation, site: int) -> tuple[Edit, ...]:
    text = document.text
    proposed = dict.fromkeys(operation.proposals(document, site))  # without repetitions, in order
    return tuple(
        Edit(start, end, text[start:end], new, operation.name)
        for start, end, new in proposed
        if text[start:end] != new and document.allows(start, end)
    )
