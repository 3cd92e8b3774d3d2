"""Edits of token ids: what no text that is tokenized as usual would give, and a model may be fed all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_llm.adversarial.operation import Preserves
from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True, order=True)
class TokenEdit:
    """The token at a place of the original ids, and the ids that take its place."""

    place: int
    old: int
    new: tuple[int, ...]
    operation: str


@dataclass(frozen=True)
class TokenScript:
    """Token ids and edits of them, one a place; each subset of the edits is a script as well.

    Raises:
        MisuseError: two edits of one place, or one that does not find the token that it replaces.
    """

    ids: tuple[int, ...]
    edits: tuple[TokenEdit, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "edits", tuple(sorted(self.edits)))
        for edit in self.edits:
            if not 0 <= edit.place < len(self.ids) or self.ids[edit.place] != edit.old:
                raise MisuseError(f"{edit} does not fit {self.ids}")
        for before, after in pairwise(self.edits):
            if before.place == after.place:
                raise MisuseError(f"two edits of one place: {before} and {after}")

    def __len__(self) -> int:
        return len(self.edits)

    @property
    def perturbed(self) -> tuple[int, ...]:
        """The ids with all edits made."""
        made = {edit.place: edit.new for edit in self.edits}
        return tuple(new for place, old in enumerate(self.ids) for new in made.get(place, (old,)))

    def without(self, number: int) -> TokenScript:
        """The script that lacks one edit."""
        return TokenScript(self.ids, self.edits[:number] + self.edits[number + 1 :])


@dataclass(frozen=True, slots=True, repr=False)
class TokenOperation:
    """A kind of edit of one token.

    Args:
        name: family and kind.
        preserves: as of an `Operation`; "exact": the ids are decoded to the same text.
        cost: how harsh it is; the mildest operation is drawn first.
        candidates: what may take the place of an id, the mildest first.
        show: an id as text.
    """

    name: str
    preserves: Preserves
    cost: float
    candidates: Callable[[int], Iterable[tuple[int, ...]]]
    show: Callable[[int], str]

    def __repr__(self) -> str:
        return f"<{self.name}>"


def token_candidates(ids: Sequence[int], operations: Sequence[TokenOperation]) -> dict[int, list[list[TokenEdit]]]:
    """For each place where something can be done: the edits of each operation that can, the mildest operation first."""
    found: dict[int, list[list[TokenEdit]]] = {}
    for operation in sorted(operations, key=lambda one: one.cost):
        for place, old in enumerate(ids):
            new = dict.fromkeys(candidate for candidate in operation.candidates(old) if candidate != (old,))
            if new:
                edits = [TokenEdit(place, old, candidate, operation.name) for candidate in new]
                found.setdefault(place, []).append(edits)
    return dict(sorted(found.items()))
