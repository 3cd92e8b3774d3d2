"""Slips of the finger: letters that change places, are left out, struck twice or beside the key (Pruthi et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_llm.adversarial.operation import Operation, of_words

_MIN_LENGTH = 4
"""Shorter words are left alone: one letter less makes another word of them."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _inner(word: str) -> range:
    """Places of letters that are neither first nor last: readers rely on those (Rawlinson 1976)."""
    return range(1, len(word) - 1) if len(word) >= _MIN_LENGTH and word.isalpha() else range(0)


def swap(word: str) -> Iterator[str]:
    """Two neighbouring inner letters in the other order."""
    for place in _inner(word)[:-1]:
        yield word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def drop(word: str) -> Iterator[str]:
    """Without one inner letter."""
    for place in _inner(word):
        yield word[:place] + word[place + 1 :]


def double(word: str) -> Iterator[str]:
    """One inner letter twice."""
    for place in _inner(word):
        yield word[:place] + word[place] + word[place:]


def neighbour_key(word: str) -> Iterator[str]:
    """One inner letter as the key beside it on a QWERTY keyboard."""
    for place in _inner(word):
        for beside in NEIGHBOURS.get(word[place].lower(), ""):
            yield word[:place] + (beside.upper() if word[place].isupper() else beside) + word[place + 1 :]


def _neighbours() -> dict[str, str]:
    """Keys that touch each other: beside in a row, and the two below or above, rows being shifted by half a key."""
    places = {key: (row, column) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    touching = {(0, 1), (0, -1), (1, 0), (1, -1), (-1, 0), (-1, 1)}
    return {
        key: "".join(other for other, (y, x) in places.items() if (y - row, x - column) in touching)
        for key, (row, column) in places.items()
    }


NEIGHBOURS = _neighbours()


def _typo(name: str, candidates: Callable[[str], Iterator[str]]) -> Operation:
    return Operation(f"typo.{name}", "character", "likely", 2, of_words(candidates))


TYPOS = (_typo("swap", swap), _typo("drop", drop), _typo("double", double), _typo("key", neighbour_key))
