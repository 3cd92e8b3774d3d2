"""Reading JSON that somebody else may have written: each part is what it has to be, or a MisuseError says where it is not."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.storage.checksum import is_whole
from pytest_llm.storage.numbers import SPECIAL, FloatArray

_LARGEST = 2**53
"""Of whole numbers: beyond, floats skip some."""


class Checked:
    """A JSON object whose members are asked for by name and kind."""

    def __init__(self, content: Any, where: str) -> None:
        self.where = where
        if not isinstance(content, Mapping):
            self.refuse(f"it is {content!r:.60}, not an object")
        self._content: Mapping[str, Any] = content

    def refuse(self, why: str) -> NoReturn:
        raise MisuseError(f"{self.where}: {why}")

    @property
    def is_whole(self) -> bool:
        """Whether its checksum is its own."""
        try:
            return is_whole(self._content)
        except ValueError as error:
            self.refuse(str(error))

    def refuse_changed(self, remedy: str) -> None:
        """Refuse an object whose checksum is not its own."""
        if not self.is_whole:
            self.refuse(f"it is not as it was written (other checksum): {remedy}")

    def member(self, name: str) -> Any:
        if name not in self._content:
            self.refuse(f"{name!r} is missing")
        return self._content[name]

    def _of(self, name: str, kind: type, called: str) -> Any:
        value = self.member(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(f"{name!r} is {value!r:.60}, not {called}")
        return value

    def text(self, name: str) -> str:
        return str(self._of(name, str, "a text"))

    def flag(self, name: str) -> bool:
        return bool(self._of(name, bool, "true or false"))

    def whole(self, name: str) -> int:
        """A whole number that is not negative, and no more than 2⁵³."""
        value: int = self._of(name, int, "a whole number")
        if value > _LARGEST:
            self.refuse(f"{name!r} is too large: {value!r:.30}")
        return value if value >= 0 else self.refuse(f"{name!r} is negative: {value!r:.30}")

    def number(self, name: str) -> float:
        return self._float(name, self.member(name))

    def one_of(self, name: str, known: Mapping[str, Any]) -> Any:
        """What a word stands for."""
        word = self.text(name)
        return known[word] if word in known else self.refuse(f"{name!r} is {word!r}, none of {', '.join(known)}")

    def mapping(self, name: str) -> dict[str, Any]:
        return dict(self._of(name, dict, "an object"))

    def text_by_name(self, name: str) -> dict[str, str]:
        """An object whose members are texts."""
        named = self.mapping(name)
        for key, value in named.items():
            if not isinstance(value, str):
                self.refuse(f"{name!r} has {value!r:.60} under {key!r:.60}, not a text")
        return named

    def texts(self, name: str) -> tuple[str, ...]:
        listed = self.listed(name)
        if not all(isinstance(item, str) for item in listed):
            self.refuse(f"{name!r} holds something that is no text")
        return tuple(listed)

    def listed(self, name: str) -> list[Any]:
        listed: list[Any] = self._of(name, list, "a list")
        return listed

    def part(self, name: str) -> Checked:
        return Checked(self.member(name), f"{self.where}, {name}")

    def parts(self, name: str) -> Iterator[Checked]:
        return (Checked(item, f"{self.where}, {name} {place}") for place, item in enumerate(self.listed(name)))

    def has(self, name: str) -> bool:
        """Whether it is not null; there it has to be."""
        return self.member(name) is not None

    def names(self) -> Collection[str]:
        """Of its members."""
        return self._content.keys()

    def refuse_others(self, known: Collection[str]) -> None:
        """Refuse a member that is none of these: a later version may have meant something by it."""
        for name in self._content:
            if name not in known:
                self.refuse(f"{name!r:.60} is no member that this version knows")

    def vector(self, name: str) -> FloatArray:
        """Numbers, `[n]`."""
        return np.array([self._float(name, value) for value in self.listed(name)], dtype=np.float64)

    def interval(self, name: str) -> tuple[float, float] | None:
        """Two numbers, or null."""
        if not self.has(name):
            return None
        ends = self.vector(name).tolist()
        return (ends[0], ends[1]) if len(ends) == 2 else self.refuse(f"{name!r} does not have two ends")

    def matrix(self, name: str) -> FloatArray:
        """Numbers, `[n, k]`: rows of one length."""
        rows = self.listed(name)
        if not rows or not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
            self.refuse(f"{name!r} has no rows, or rows of different lengths")
        return np.array([[self._float(name, value) for value in row] for row in rows], dtype=np.float64)

    def _float(self, name: str, value: Any) -> float:
        if isinstance(value, str) and value in SPECIAL:
            return SPECIAL[value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.nan
            if math.isfinite(number):
                return number
        return self.refuse(f"{name!r} holds {value!r:.60}, which is no number")
