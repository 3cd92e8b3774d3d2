"""What there is to rate: prompts with the output of one model, or of two that are compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llm.data.example import fingerprint
from pytest_llm.data.files import read
from pytest_llm.data.ratings import TIE
from pytest_llm.errors import MisuseError

LONGEST_LINE = 1 << 20
"""Bytes of a line; a page with more than that is nothing that anybody reads."""
VARIANTS = {
    "id": ("id", "item", "key"),
    "prompt": ("prompt", "input", "question", "instruction", "source"),
    "output": ("output", "response", "completion", "prediction", "answer", "text"),
}
"""Names of columns, the first that a row has is taken."""


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt and what was made of it."""

    id: str
    prompt: str
    """Empty where rows have none."""
    outputs: tuple[str, ...]
    """One to be rated, or one of each candidate."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All items, and what is asked about them."""

    items: tuple[Item, ...]
    candidates: tuple[str, ...] = ()
    """The names of the two that are compared; empty where outputs are rated."""
    points: int = 5
    """Ratings go from 1 to this."""

    @property
    def compares(self) -> bool:
        return bool(self.candidates)

    @property
    def question(self) -> str:
        """What is asked of each item, unless somebody words it otherwise."""
        return "Which answer is better?" if self.compares else "How good is the answer?"

    def content(self, item: Item) -> str:
        """The beginning of a SHA-256 of all that is shown: an answer is about these texts and no others."""
        shown = sorted(zip(self.candidates, item.outputs, strict=True)) if self.compares else item.outputs
        return fingerprint(json.dumps([item.prompt, shown]))[:16]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a row hold what; None: the first of `VARIANTS` that it has."""

    id: str | None = None
    prompt: str | None = None
    output: str | None = None


def read_sheet(
    outputs: Path,
    against: Path | None = None,
    *,
    names: tuple[str | None, str | None] = (None, None),
    columns: Columns = Columns(),
    points: int = 5,
) -> Sheet:
    """Read what there is to rate.

    Args:
        outputs: a JSONL file with an id, a prompt and an output a row.
        against: another of the same ids, to compare with; None: outputs are rated by themselves.
        names: what the two candidates are called in the answers; None: as their files are, without the ending.
        columns: the names of the columns, where they are none of `VARIANTS`.
        points: the highest rating; the lowest is 1.

    Raises:
        MisuseError: a file that is no JSONL, a line of more than a mebibyte, a row without id or output, an id twice, ids or
            prompts that differ between the files, two candidates of one name.
    """
    if not 2 <= points <= 9:
        raise MisuseError(f"{points} points: expected 2 to 9, as each is a key")
    items = _read_items(outputs, columns)
    if against is None:
        return Sheet(tuple(items.values()), points=points)
    candidates = tuple(name or path.stem for name, path in zip(names, (outputs, against), strict=True))
    if len(set(candidates)) < 2 or TIE in candidates:
        raise MisuseError(
            f"the candidates are called {' and '.join(map(repr, candidates))}; answers need two names, neither of them "
            f"{TIE!r}: give --name and --against-name"
        )
    others = _read_items(against, columns)
    _refuse_difference(outputs, items, against, others)
    pairs = (Item(one.id, one.prompt or others[one.id].prompt, (*one.outputs, *others[one.id].outputs))
             for one in items.values())  # fmt: skip
    return Sheet(tuple(pairs), candidates, points)


def _refuse_difference(path: Path, items: Mapping[str, Item], against: Path, others: Mapping[str, Item]) -> None:
    for here, ids, there, known in ((path, items, against, others), (against, others, path, items)):
        for name in ids:
            if name not in known:
                missing = sum(other not in known for other in ids)
                raise MisuseError(
                    f"{here.name} has the id {name!r}, {there.name} has not ({missing} of {len(ids)} ids are missing "
                    f"there); both files have to answer the same prompts"
                )
    for name, item in items.items():
        if item.prompt and others[name].prompt and item.prompt != others[name].prompt:
            raise MisuseError(
                f"the prompt of {name!r} is {item.prompt[:60]!r} in {path.name}, {others[name].prompt[:60]!r} in "
                f"{against.name}; only outputs of one prompt can be compared"
            )


def _read_items(path: Path, columns: Columns) -> dict[str, Item]:
    if path.suffix.lower() != ".jsonl":
        raise MisuseError(f"{path.name} is no .jsonl: outputs come as one JSON object a line")
    items: dict[str, Item] = {}
    for place, row in _rows(path):
        name = _cell(row, "id", columns.id, place)
        if not name:
            raise MisuseError(f"{place} has an empty id")
        if name in items:
            raise MisuseError(f"{place} has the id {name!r} again; each has to be there once")
        prompt = _cell(row, "prompt", columns.prompt, place, required=columns.prompt is not None)
        items[name] = Item(name, prompt, (_cell(row, "output", columns.output, place),))
    if not items:
        raise MisuseError(f"{path.name} holds no row, so there is nothing to rate")
    return items


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rows = read(path)  # says if there is no such file
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise MisuseError(f"line {number} of {path.name} is longer than {LONGEST_LINE:,} bytes: shorten it")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise MisuseError(f"row #{number} of {path.name} is {row!r:.60}; expected a JSON object")
        yield f"row #{number} of {path.name}", row


def _cell(row: Mapping[str, Any], what: str, column: str | None, place: str, *, required: bool = True) -> str:
    names = VARIANTS[what] if column is None else (column,)
    found = next((name for name in names if row.get(name) is not None), None)
    if found is None:
        if not required:
            return ""
        raise MisuseError(
            f"{place} has no {what}: none of {', '.join(map(repr, names))} is among its columns {sorted(map(str, row))}; "
            f"name the one that is meant with --{what}"
        )
    value = row[found]
    if what == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise MisuseError(f"{place} has {value!r:.60} ({type(value).__name__}) under {found!r}; expected a string")
    return value.strip() if what == "id" else value
