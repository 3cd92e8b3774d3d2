"""What an attack has tried on its text so far, and what it learned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.adversarial.search.lockstep import Asking
from pytest_llm.adversarial.table import CandidateTable


class Tried:
    """Losses by text, and the scripts that lead to them.

    Args:
        table: the edits that are allowed.
        queries: how many texts may be tried.
    """

    def __init__(self, table: CandidateTable, queries: int) -> None:
        self.table = table
        self._queries = queries
        self._losses: dict[str, float] = {}
        self._scripts: dict[str, EditScript] = {}

    def ask(self, scripts: Iterable[EditScript]) -> Asking[None]:
        """Learn the losses of scripts; of two that make the same text the shorter one is kept."""
        asked = list(scripts)
        yield from self.ask_texts([script.perturbed for script in asked])
        for script in asked:
            known = self._scripts.get(script.perturbed)
            if known is None or self.table.size(script) < self.table.size(known):
                self._scripts[script.perturbed] = script

    def ask_texts(self, texts: Sequence[str]) -> Asking[list[float]]:
        """The losses of texts that no script of the table need make."""
        losses = (yield texts) if texts else ()
        self._losses.update(zip(texts, losses, strict=True))
        return list(losses)

    @property
    def clean(self) -> float:
        """The loss of the text as it is."""
        return self._losses[self.table.text]

    @property
    def left(self) -> int:
        """How many texts may still be tried."""
        return max(0, self._queries - len(self._losses))

    def limit(self, times: int) -> None:
        """Let the model read so many times as many texts as it has read so far, and not more than was allowed before."""
        self._queries = min(self._queries, times * len(self._losses))

    def knows(self, script: EditScript) -> bool:
        return script.perturbed in self._losses

    def loss(self, script: EditScript) -> float:
        return self._losses[script.perturbed]

    def gains(self) -> dict[Edit, float]:
        """What each edit that was tried alone adds to the loss."""
        return {edit: self.loss(script) - self.clean for script in self._of_size(1) for edit in script.edits}

    def best(self, size: int, count: int) -> list[EditScript]:
        """Of the scripts of so many edits those with the largest losses."""
        return sorted(self._of_size(size), key=lambda script: -self.loss(script))[:count]

    def breaking(self) -> Iterator[EditScript]:
        return (script for text, script in self._scripts.items() if self._losses[text] > 0)

    def breaks(self, most: int) -> bool:
        """Whether a script of at most so many edits breaks it."""
        return any(len(script) <= most for script in self.breaking())

    @property
    def smallest(self) -> EditScript | None:
        """Of those that break it the one with the fewest edits, then the mildest, then the largest loss."""
        return min(self.breaking(), key=lambda script: (*self.table.size(script), -self.loss(script)), default=None)

    @property
    def worst(self) -> EditScript | None:
        """Of those that break it the one with the largest loss; of several the smallest."""
        return min(self.breaking(), key=lambda script: (-self.loss(script), *self.table.size(script)), default=None)

    def untried(self, most: int) -> Iterator[EditScript]:
        """Scripts of one to so many edits that were not tried, the shortest first."""
        for size in range(1, most + 1):
            yield from (script for script in self.table.scripts(size) if not self.knows(script))

    def complete(self, most: int) -> bool:
        """Whether all scripts of at most so many edits were tried."""
        return next(self.untried(most), None) is None

    def _of_size(self, size: int) -> Iterator[EditScript]:
        return (script for script in self._scripts.values() if len(script) == size)
