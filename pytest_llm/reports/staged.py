"""Baselines that a commit is about to change, for the person who commits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_llm.storage.checksum import is_whole
from pytest_llm.storage.strict_json import parsed
from pytest_llm.wording import number, printable

TRAILER = "Baselines"
_NOTE = re.compile(rf"^{TRAILER}:[ \t]*\S", re.MULTILINE | re.IGNORECASE)
_SCISSORS = re.compile(r"^. -+ >8 -+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StagedBaseline:
    """One baseline's JSON in the last commit, and as it is staged; None where there is none."""

    path: str
    before: bytes | None
    after: bytes | None


def is_noted(message: str) -> bool:
    """Whether a commit's message says why baselines change; what Git cuts off, below `>8` (`commit --verbose`), does not count."""
    return bool(_NOTE.search(_SCISSORS.split(message, maxsplit=1)[0]))


def lines(staged: Sequence[StagedBaseline]) -> Iterator[str]:
    """What changes, and what to do."""
    changes = "1 baseline changes" if len(staged) == 1 else f"{len(staged)} baselines change"
    yield f"{changes}, and the message of the commit does not say why:"
    for one in staged:
        yield f"  {_change(one)}  [{printable(one.path)}]"
    yield "baselines are written by `pytest --llm-update-baselines`, and kept by a commit with a line such as"
    yield f"  {TRAILER}: trained on the cleaned corpus, see #123"


def _change(one: StagedBaseline) -> str:
    if one.before is None:
        return f"{_value(one.after)}, new"
    if one.after is None:
        return f"{_value(one.before)}, removed"
    before, after = _value(one.before), _value(one.after)
    return f"{before}, as before: other examples, model or settings" if before == after else f"{before}, now {after}"


def _value(content: bytes | None) -> str:
    """The metric and its value, of a file that may be anything."""
    try:
        stored = parsed(content or b"")
        if is_whole(stored):
            return f"{printable(str(stored['metric'])[:80])} {number(float(stored['value']))}"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        pass
    return "an unreadable baseline"
