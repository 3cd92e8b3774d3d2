"""Reading JSON that somebody else may have written: each part is what it has to be, or a MisuseError says where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.records.numbers import SPECIAL
from pytest_llm.statistics.jackknife import FloatArray


class Checked:
    """A JSON object whose members are asked for by name and kind."""

    def __init__(self, content: Any, where: str) -> None:
        self.where = where
        if not isinstance(content, Mapping):
            self.refuse(f"it is {content!r:.60}, not an object")
        self._content: Mapping[str, Any] = content

    def refuse(self, why: str) -> NoReturn:
        raise MisuseError(f"{self.where}: {why}")

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
        """A whole number that is not negative."""
        value: int = self._of(name, int, "a whole number")
        return value if value >= 0 else self.refuse(f"{name!r} is negative: {value}")

    def number(self, name: str) -> float:
        return self._float(name, self.member(name))

    def one_of(self, name: str, known: Mapping[str, Any]) -> Any:
        """What a word stands for."""
        word = self.text(name)
        return known[word] if word in known else self.refuse(f"{name!r} is {word!r}, none of {', '.join(known)}")

    def mapping(self, name: str) -> dict[str, Any]:
        return dict(self._of(name, dict, "an object"))

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
        """Whether it is there, and not null."""
        return self._content.get(name) is not None

    def vector(self, name: str) -> FloatArray:
        """Numbers, `[n]`."""
        return np.array([self._float(name, value) for value in self.listed(name)], dtype=np.float64)

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
                return float(value)
            except OverflowError:
                pass
        return self.refuse(f"{name!r} holds {value!r:.60}, which is no number")
