"""The word lists of this folder: a line holds words that can stand for each other, `#` begins a comment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files

GROUPS = files("pytest_llm.adversarial.perturbations") / "words"


@cache
def groups(name: str) -> tuple[tuple[str, ...], ...]:
    """The lines of a list, each as its words; a phrase of several words is written with low lines."""
    lines = (GROUPS / name).read_text(encoding="utf-8").splitlines()
    told = (line.partition("#")[0].split() for line in lines)
    return tuple(tuple(word.replace("_", " ") for word in line) for line in told if line)


@cache
def table(name: str) -> dict[str, tuple[str, ...]]:
    """Each word of a list, and the others of its lines in their order."""
    found: dict[str, tuple[str, ...]] = {}
    for line in groups(name):
        for word in line:
            others = tuple(other for other in line if other != word)
            found[word] = (*found.get(word, ()), *others)
    return found


def alternatives(name: str) -> Callable[[str], Iterator[str]]:
    """A function from a word to what may stand for it, written as the word is: small, with a capital, in capitals."""

    def candidates(word: str) -> Iterator[str]:
        known = table(name)
        if word in known:
            yield from known[word]
        elif word.lower() in known:
            yield from (in_case_of(word, other) for other in known[word.lower()])

    return candidates


def in_case_of(model: str, word: str) -> str:
    """The word with the capitals of another: "Big" makes of "large" "Large", "BIG" makes "LARGE"."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
