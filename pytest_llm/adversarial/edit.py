"""What was changed in a text: edits by their place in the original, so that any of them can be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """One replacement. `start` and `end` are code points of the original text; an insertion has `start == end`."""

    start: int
    end: int
    old: str
    """What stands there in the original."""
    new: str
    operation: str
    """The name of the operation that proposed it, such as "typo.swap"."""

    def meets(self, other: Edit) -> bool:
        """Whether both change the same place, so that only one of them can be made."""
        return self.start == other.start or (self.start < other.end and other.start < self.end)


@dataclass(frozen=True)
class EditScript:
    """A text and edits of it. Each subset of the edits is a script as well; the empty one leaves the text as it is.

    Args:
        text: the original.
        edits: in any order; they are kept by place.

    Raises:
        MisuseError: two edits meet, or one does not find in the text what it replaces.
    """

    text: str
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.edits))
        for edit in ordered:
            if not 0 <= edit.start <= edit.end <= len(self.text) or self.text[edit.start : edit.end] != edit.old:
                raise MisuseError(
                    f"{edit} does not fit the text: at {edit.start} it has {self.text[edit.start : edit.end]!r}"
                )
        for before, after in pairwise(ordered):
            if before.meets(after):
                raise MisuseError(f"two edits of one place: {before} and {after}")
        object.__setattr__(self, "edits", ordered)

    def __len__(self) -> int:
        return len(self.edits)

    @cached_property
    def perturbed(self) -> str:
        """The text with all edits made."""
        parts: list[str] = []
        done = 0
        for edit in self.edits:
            parts += [self.text[done : edit.start], edit.new]
            done = edit.end
        return "".join([*parts, self.text[done:]])

    def without(self, place: int) -> EditScript:
        """The script that lacks one edit."""
        return EditScript(self.text, self.edits[:place] + self.edits[place + 1 :])

    def contains(self, other: EditScript) -> bool:
        """Whether it makes all the changes of another script of this text, whatever the operations are called."""
        own, others = ({(edit.start, edit.end, edit.new) for edit in script.edits} for script in (self, other))
        return self.text == other.text and others <= own

    def with_edit(self, edit: Edit) -> EditScript | None:
        """The script with one edit more; None where it would meet one that is there."""
        if any(edit.meets(own) for own in self.edits):
            return None
        return EditScript(self.text, (*self.edits, edit))


def changed_words(edits: Sequence[Edit], words: Sequence[tuple[int, int]]) -> int:
    """How many of the words, given as spans of the original, some edit touches."""
    return sum(
        any(edit.start < end and start < max(edit.end, edit.start + 1) for edit in edits) for start, end in words
    )
