"""What people said of outputs: scores or categories for items, and preferences between two candidates.

A rating is a row `{"rater": …, "item": …, "score": …}`; a preference is a row
`{"rater": …, "item": …, "first": …, "second": …, "preferred": …}`, where `first` and `second` are the names of the two
candidates in the order they were shown, and `preferred` is one of these names or "tie". Rows come from a list, a JSONL, CSV
or Parquet file. They become examples whose target is what was said, for the metrics of `metrics/preference.py`,
`bradley_terry.py` and `agreement.py`; no model is asked, so the output that these metrics take is the target itself.

Two columns may be there besides, as `pytest-llm rate` writes them. `revision` (0 unless given) numbers the answers that one
rater gave to one question: the highest counts, wherever it stands, so that files only grow and may be merged; the same
number twice is refused. `skipped` true is no answer, and takes back those of a lower revision. Other columns are not read, unless
their name looks like a slip of one of these.

In a JSONL file a row may have a `checksum`, as `pytest-llm rate` writes it: such a row is read as it was written or not at all. Who
means to change one takes its checksum away; files that people write, or that went through a table, have none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pytest_llm.data.example import Example
from pytest_llm.data.files import read
from pytest_llm.errors import MisuseError
from pytest_llm.storage.checksum import MEMBER, is_whole

RatingRows: TypeAlias = "str | Path | Iterable[Mapping[str, Any]]"
Cluster: TypeAlias = Literal["rater", "item"]

TIE = "tie"
_OPTIONAL = ("revision", "skipped")
_ALIKE = 0.85
"""How alike, by `difflib`, the name of a column is that was meant for one of these: one letter off, or one more."""
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Python reads more as a number, such as 4_5."""
_Said = TypeVar("_Said", "Rating", "Preference")


@dataclass(frozen=True, slots=True)
class Rating:
    """What one rater said of one item."""

    rater: str
    item: str
    value: float | str
    """A score, or the name of a category."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two candidates one rater found better for one item (a prompt)."""

    rater: str
    item: str
    first: str
    second: str
    preferred: str | None
    """None: neither."""

    def points(self, candidate: str) -> float:
        """1 if the candidate was preferred, ½ for a tie, 0 if the other was."""
        return 0.5 if self.preferred is None else float(self.preferred == candidate)


def read_ratings(data: RatingRows, *, categories: bool = False) -> tuple[Rating, ...]:
    """Read ratings.

    Args:
        data: rows with the columns rater, item and score, or the path of a file of such rows.
        categories: scores are names of categories, kept as strings, instead of numbers.

    Raises:
        MisuseError: no rows, a column that is missing or empty, a score that is no finite number, or one rater who rated one
            item twice in one revision.
    """
    latest: _Latest[Rating] = _Latest()
    for place, row in _rows(data):
        rater, item = _cell(row, "rater", place), _cell(row, "item", place)
        rating = None
        if not _is_skipped(row, place):
            rating = Rating(rater, item, _cell(row, "score", place) if categories else _number(row, place))
        latest.add((rater, item), _revision(row, place), rating, f"{place}: rater {rater!r} rated item {item!r}")
    return latest.answers()


def read_preferences(data: RatingRows) -> tuple[Preference, ...]:
    """Read preferences.

    Args:
        data: rows with the columns rater, item, first, second and preferred, or the path of a file of such rows.

    Raises:
        MisuseError: no rows, a column that is missing or empty, a candidate compared with itself, a winner that is neither of
            the two nor "tie", or one rater who was shown one pair for one item in one order twice in one revision.
    """
    latest: _Latest[Preference] = _Latest()
    for place, row in _rows(data):
        rater, item, first, second = (_cell(row, column, place) for column in ("rater", "item", "first", "second"))
        if first == second or TIE in (first, second):
            raise MisuseError(
                f"{place} compares {first!r} with {second!r}; expected two names, neither of them {TIE!r}"
            )
        preference = None
        if not _is_skipped(row, place):
            preferred = _cell(row, "preferred", place)
            if preferred not in (first, second, TIE):
                raise MisuseError(f"{place} prefers {preferred!r}; expected {first!r}, {second!r} or {TIE!r}")
            preference = Preference(rater, item, first, second, None if preferred == TIE else preferred)
        deed = f"{place}: rater {rater!r} compared {first!r} with {second!r} for item {item!r}"
        latest.add((rater, item, first, second), _revision(row, place), preference, deed)
    return latest.answers()


def rating_examples(ratings: Sequence[Rating], *, cluster: Cluster = "rater") -> tuple[Example, ...]:
    """One example a rating; what one rater says (or, by choice, what is said of one item) is not independent."""
    return tuple(
        _example(r.rater, r.item, (r.rater, r.item), r.value, r.rater if cluster == "rater" else r.item)
        for r in ratings
    )


def preference_examples(
    preferences: Sequence[Preference],
    *,
    candidate: str | None = None,
    against: str | None = None,
    cluster: Cluster = "rater",
) -> tuple[Example, ...]:
    """One example a comparison.

    Args:
        preferences: the comparisons.
        candidate: only those that this candidate took part in; None: all.
        against: and only those with this opponent; None: any.
        cluster: what makes comparisons depend on each other: the rater, or the item.

    Raises:
        MisuseError: a name that no comparison has, or two that were never compared.
    """
    names = sorted({name for p in preferences for name in (p.first, p.second)})
    wanted = {name for name in (candidate, against) if name is not None}
    for name in sorted(wanted):
        if name not in names:
            raise MisuseError(
                f"no comparison is about {name!r}; candidates are {', '.join(map(repr, names)) or 'none'}"
            )
    chosen = [p for p in preferences if wanted <= {p.first, p.second}]
    if not chosen:
        pair = " and ".join(map(repr, sorted(wanted)))
        raise MisuseError(f"{pair} were never compared" if wanted else "no candidates were ever compared")
    return tuple(
        _example(p.rater, p.item, (p.rater, p.item, p.first, p.second), p, p.rater if cluster == "rater" else p.item)
        for p in chosen
    )


def item_examples(ratings: Sequence[Rating]) -> tuple[Example, ...]:
    """One example an item, in order of appearance; its target is a mapping from raters to what they said."""
    said: dict[str, dict[str, float | str]] = {}
    for rating in ratings:
        said.setdefault(rating.item, {})[rating.rater] = rating.value
    return tuple(Example(item, item, item, target=values) for item, values in said.items())


def _rows(data: RatingRows) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with what to call it in an error."""
    if isinstance(data, Mapping) or not isinstance(data, Iterable | Path):
        raise MisuseError(f"ratings are {data!r:.80} ({type(data).__name__}); expected a list of rows, or a path")
    name = Path(data).name if isinstance(data, str | Path) else "the ratings"
    is_jsonl = isinstance(data, str | Path) and Path(data).suffix.lower() == ".jsonl"
    number = -1
    for number, row in enumerate(read(Path(data)) if isinstance(data, str | Path) else data):
        if not isinstance(row, Mapping):
            raise MisuseError(f"row #{number} of {name} is {row!r:.80} ({type(row).__name__}); expected a mapping")
        place = f"row #{number} of {name}"
        if is_jsonl and MEMBER in row:
            refuse_changed_row(row, place)
        _refuse_slips(row, place)
        yield place, row
    if number < 0:
        raise MisuseError(f"{name} hold no row, so nobody has said anything")


def refuse_changed_row(row: Mapping[str, Any], place: str) -> None:
    """Refuse a row that has a checksum, and not its own.

    Raises:
        MisuseError: it is such a row.
    """
    try:
        changed = not is_whole(row)
    except ValueError as error:
        raise MisuseError(f"{place} cannot be read: {error}") from None
    if changed:
        raise MisuseError(
            f"{place} is not as it was written (other checksum); if the change is meant, remove its {MEMBER!r}"
        )


def _refuse_slips(row: Mapping[str, Any], place: str) -> None:
    for column in row:
        if (meant := _meant_for(column)) is not None:
            raise MisuseError(f"{place} has a column {column!r}: call it {meant!r} if that is meant, or something else")


@lru_cache(maxsize=128)
def _meant_for(column: str) -> str | None:
    """The optional column that this one's name is a slip of, if it is."""
    from difflib import SequenceMatcher  # few readers come here

    alike = (name for name in _OPTIONAL if SequenceMatcher(None, str(column), name).ratio() >= _ALIKE)
    return None if column in _OPTIONAL else next(alike, None)


def _cell(row: Mapping[str, Any], column: str, place: str) -> str:
    if column not in row:
        raise MisuseError(
            f"{place} has no column {column!r}, only {sorted(map(str, row))}; rename the one that is meant"
        )
    text = "" if row[column] is None else str(row[column]).strip()
    if not text:
        raise MisuseError(f"{place} has nothing under {column!r}; fill it in, or drop the row")
    return text


def _number(row: Mapping[str, Any], place: str) -> float:
    text = _cell(row, "score", place)
    try:
        number = float(text) if not isinstance(row["score"], bool) and _DECIMAL.fullmatch(text) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise MisuseError(f"{place} has the score {text!r}; expected a number (of names, read with categories=True)")
    return number


def _is_skipped(row: Mapping[str, Any], place: str) -> bool:
    match row.get("skipped"):
        case None | False | "" | "false" | "False":
            return False
        case True | "true" | "True":
            return True
        case other:
            raise MisuseError(f"{place} has {other!r} under 'skipped'; expected true or false")


def _revision(row: Mapping[str, Any], place: str) -> int:
    given = row.get("revision")
    if given is None or given == "" or given != given:  # Parquet has NaN where a row has none
        return 0
    try:
        is_number = not isinstance(given, bool) and (not isinstance(given, str) or _DECIMAL.fullmatch(given.strip()))
        revision = int(float(given)) if is_number and not float(given) % 1 else -1
    except (TypeError, ValueError, OverflowError):
        revision = -1
    if revision < 0:
        raise MisuseError(f"{place} has {given!r} under 'revision'; expected 0 for a first answer, 1 for the next, …")
    return revision


class _Latest(Generic[_Said]):
    """The answer of the highest revision to each question, in the order in which the questions came up."""

    def __init__(self) -> None:
        self._seen: set[tuple[Hashable, int]] = set()
        self._latest: dict[Hashable, tuple[int, _Said | None]] = {}

    def add(self, question: tuple[str, ...], revision: int, said: _Said | None, deed: str) -> None:
        if (question, revision) in self._seen:
            how = f"revision {revision} twice" if revision else "twice"
            raise MisuseError(f"{deed} {how}; keep one, or it would count double")
        self._seen.add((question, revision))
        if revision >= self._latest.get(question, (0, None))[0]:
            self._latest[question] = revision, said

    def answers(self) -> tuple[_Said, ...]:
        """Without those that were skipped; an error if that leaves nothing."""
        answers = tuple(said for _, said in self._latest.values() if said is not None)
        if not answers:
            raise MisuseError(f"nobody has said anything: all {len(self._latest)} questions were skipped")
        return answers


def _example(rater: str, item: str, key: tuple[str, ...], target: object, cluster: str) -> Example:
    return Example(repr(key), item, f"{item} by {rater}", cluster, target)
