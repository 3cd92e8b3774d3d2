"""A rater at a question: what is shown, what may be answered, where to go next."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pytest_llm.data.ratings import TIE
from pytest_llm.errors import MisuseError
from pytest_llm.rating.answer_file import AnswerFile
from pytest_llm.rating.answers import LONGEST_NOTE, Answer
from pytest_llm.rating.order import Order
from pytest_llm.rating.sheet import Item, Sheet

FIRST, SECOND, SKIP = "first", "second", "skip"
LONGEST_NAME = 80
"""Characters of a rater's name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a rater sees. Nothing in it tells which candidate is which."""

    position: int
    """From 1."""
    prompt: str
    outputs: tuple[str, ...]
    """In the order in which they are shown."""
    choice: str | None
    """What the rater said before: "first", "second", "tie", "skip", or a score in digits; None: nothing yet."""
    note: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rater is."""

    rater: str
    answered: int
    skipped: int
    total: int

    @property
    def left(self) -> int:
        return self.total - self.answered - self.skipped


class Session:
    """The sheet, dealt to raters, and their answers."""

    def __init__(
        self, sheet: Sheet, order: Order, file: AnswerFile, now: Callable[[], str], heading: str | None = None
    ) -> None:
        """Take up what the file holds.

        Args:
            sheet: what there is to rate.
            order: who sees what, and how.
            file: where answers are kept.
            now: the time, as it is written beside an answer.
            heading: what is asked of each item.

        Raises:
            MisuseError: the file holds answers of another kind, about other texts under the same ids, or of other candidates.
        """
        self.sheet, self.order = sheet, order
        self.heading = heading or sheet.question
        self._file, self._now = file, now
        self._of = lru_cache(maxsize=None)(order.of)
        self._first_first = lru_cache(maxsize=None)(order.first_candidate_first)
        refuse_foreign(sheet, file)

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be answered."""
        scores = tuple(map(str, range(1, self.sheet.points + 1)))
        return ((FIRST, SECOND, TIE) if self.sheet.compares else scores) + (SKIP,)

    @property
    def raters(self) -> tuple[str, ...]:
        """Those who are expected; if nobody is in particular, those who have answered already."""
        return self.order.raters or tuple(dict.fromkeys(answer.rater for answer in self._file.answers))

    def rater(self, name: str) -> str:
        """The rater of a name as it was typed; one who differs in case only is the same.

        Raises:
            MisuseError: no name, or none of those who are expected.
        """
        name = " ".join(unicodedata.normalize("NFC", name).split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise MisuseError(f"A name has 1 to {LONGEST_NAME} characters that can be seen.")
        known = {rater.casefold(): rater for rater in self.raters}
        if self.order.raters and name.casefold() not in known:
            raise MisuseError(f"{name} is not among those who rate here: {', '.join(self.order.raters)}.")
        return known.get(name.casefold(), name)

    def progress(self, rater: str) -> Progress:
        found = [self._file.find(rater, name) for name in self._of(rater)]
        given = [answer for answer in found if answer is not None]
        skipped = sum(answer.value is None for answer in given)
        return Progress(rater, len(given) - skipped, skipped, len(found))

    def question(self, rater: str, position: int) -> Question:
        """What is asked at a position of the rater's order, from 1.

        Raises:
            IndexError: there is no such position.
        """
        item = self._item(rater, position)
        answer = self._file.find(rater, item.id)
        outputs = dict(zip(self.sheet.candidates, item.outputs, strict=False))
        shown = tuple(outputs[name] for name in self._shown(rater, item)) if self.sheet.compares else item.outputs
        return Question(position, item.prompt, shown, _choice(answer), "" if answer is None else answer.note)

    def record(self, rater: str, position: int, choice: str, note: str) -> None:
        """Keep an answer; one that says what was said before is not written again.

        Raises:
            IndexError: there is no such position.
            MisuseError: a choice that is none, or a note that is too long.
        """
        item = self._item(rater, position)
        if choice not in self.choices:
            raise MisuseError(f"{choice!r:.40} is no answer; expected {', '.join(self.choices)}")
        note = note.replace("\r\n", "\n").strip()
        if len(note) > LONGEST_NOTE:
            raise MisuseError(f"The note has {len(note):,} characters; {LONGEST_NOTE:,} can be kept.")
        before = self._file.find(rater, item.id)
        if before is not None and (_choice(before), before.note) == (choice, note):
            return
        first, second = self._shown(rater, item) if self.sheet.compares else (None, None)
        named = {FIRST: first, SECOND: second, TIE: TIE, SKIP: None}
        value = named[choice] if choice in named else int(choice)
        revision = 0 if before is None else before.revision + 1
        content = self.sheet.content(item)
        self._file.append(Answer(rater, item.id, value, first, second, note, self._now(), content, revision))

    def next_open(self, rater: str, after: int = 0) -> int | None:
        """The first position behind this one that has no answer, else the first of all; None: everything is answered."""
        items = self._of(rater)
        positions = [n for n, name in enumerate(items, 1) if self._file.find(rater, name) is None]
        return next((n for n in positions if n > after), positions[0] if positions else None)

    def skipped(self, rater: str) -> list[int]:
        """The positions that were skipped."""
        found = ((n, self._file.find(rater, name)) for n, name in enumerate(self._of(rater), 1))
        return [n for n, answer in found if answer is not None and answer.value is None]

    @cached_property
    def _items(self) -> dict[str, Item]:
        return {item.id: item for item in self.sheet.items}

    def _item(self, rater: str, position: int) -> Item:
        items = self._of(rater)
        if not 1 <= position <= len(items):
            raise IndexError(position)
        return self._items[items[position - 1]]

    def _shown(self, rater: str, item: Item) -> tuple[str, str]:
        """The two candidates as this rater sees them: as before, if there is an answer; else as they are drawn."""
        answer = self._file.find(rater, item.id)
        if answer is not None and answer.first is not None and answer.second is not None:
            return answer.first, answer.second
        one, other = self.sheet.candidates
        return (one, other) if item.id in self._first_first(rater) else (other, one)


def refuse_foreign(sheet: Sheet, file: AnswerFile) -> None:
    """See that the answers in a file are about this sheet.

    Raises:
        MisuseError: they are of another kind, about other texts under the same ids, or of other candidates.
    """
    items = {item.id: item for item in sheet.items}
    name, candidates = file.path.name, sheet.candidates
    for answer in file.answers:
        if answer.compares != sheet.compares:
            kinds = ("comparisons", "ratings") if answer.compares else ("ratings", "comparisons")
            raise MisuseError(f"{name} holds {kinds[0]}, these would be {kinds[1]}; choose another --out")
        if answer.compares and {answer.first, answer.second} != set(candidates):
            raise MisuseError(
                f"{name} compares {answer.first!r} with {answer.second!r}, here are {' and '.join(map(repr, candidates))}; "
                f"choose another --out, or give the names of before (--name, --against-name)"
            )
        item = items.get(answer.item)
        if item is not None and answer.content and answer.content != sheet.content(item):
            raise MisuseError(
                f"{name} holds an answer of {answer.rater!r} to {answer.item!r}, whose texts were others then; answers about "
                f"other texts belong into another --out"
            )


def _choice(answer: Answer | None) -> str | None:
    if answer is None:
        return None
    if answer.value is None:
        return SKIP
    return {answer.first: FIRST, answer.second: SECOND}.get(str(answer.value), str(answer.value))
