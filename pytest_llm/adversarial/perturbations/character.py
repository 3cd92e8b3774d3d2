"""Slips of the finger and of the eye: letters out of order, left out, beside the key (Pruthi et al. 2019); scans; leet.

Chinese ones are slips of input methods and of the eye: neighbours in the other order, a character of the same sound or shape.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from pytest_llm.adversarial.document import Document, is_han
from pytest_llm.adversarial.operation import Operation, Proposals, Proposer, of_words
from pytest_llm.adversarial.perturbations.lists import alternatives

_MIN_LENGTH = 4
"""Shorter words are left alone: one letter less makes another word of them."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SCANNED = (
    ("m", "rn"),
    ("rn", "m"),
    ("d", "cl"),
    ("cl", "d"),
    ("w", "vv"),
    ("l", "1"),
    ("o", "0"),
    ("e", "c"),
    ("h", "b"),
)
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
_ACCENTS = {"a": "áàä", "e": "éèë", "i": "íï", "o": "óö", "u": "úü", "n": "ñ", "c": "ç"}


def _inner(word: str) -> range:
    """Places of letters that are neither first nor last: readers rely on those (Rawlinson 1976)."""
    return range(1, len(word) - 1) if len(word) >= _MIN_LENGTH and word.isalpha() else range(0)


def case(word: str) -> Iterator[str]:
    """The word in small letters, with a capital, in capitals."""
    if word.isascii():
        yield from (word.lower(), word.capitalize(), word.upper())


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


def scanned(word: str) -> Iterator[str]:
    """One shape that a scanner takes for another: m and rn, d and cl, l and 1."""
    if len(word) >= _MIN_LENGTH:
        for seen, read in _SCANNED:
            for place in range(len(word)):
                if word.startswith(seen, place):
                    yield word[:place] + read + word[place + len(seen) :]


def leet(word: str) -> Iterator[str]:
    """One letter as the digit or sign of its shape."""
    if len(word) >= _MIN_LENGTH and word.isalpha():
        for place, letter in enumerate(word):
            for sign in _LEET.get(letter.lower(), ""):
                yield word[:place] + sign + word[place + 1 :]


def diacritic(word: str) -> Iterator[str]:
    """The word without its accents; else with one on a small letter."""
    bare = "".join(part for part in unicodedata.normalize("NFD", word) if not unicodedata.combining(part))
    if bare != word and bare.isascii():
        yield bare
    elif len(word) >= _MIN_LENGTH and word.isascii():
        for place, letter in enumerate(word):
            for accented in _ACCENTS.get(letter, ""):
                yield word[:place] + accented + word[place + 1 :]


def swapped_han(document: Document, site: int) -> Proposals:
    """A Han character and the one behind it in the other order: Chinese reads on over it, as English over inner letters."""
    (start, end), after = document.words[site], document.words[site + 1 : site + 2]
    pair = document.text[start : end + 1]
    if after and after[0][0] == end and is_han(pair) and len(pair) == 2:
        yield start, end + 1, pair[::-1]


def _neighbours() -> dict[str, str]:
    """Keys that touch each other: beside in a row, and the two below or above, rows being shifted by half a key."""
    places = {key: (row, column) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    touching = {(0, 1), (0, -1), (1, 0), (1, -1), (-1, 0), (-1, 1)}
    return {
        key: "".join(other for other, (y, x) in places.items() if (y - row, x - column) in touching)
        for key, (row, column) in places.items()
    }


NEIGHBOURS = _neighbours()


def _typo(name: str, proposals: Proposer, cost: float = 2) -> Operation:
    return Operation(f"typo.{name}", "character", "likely", cost, proposals)


TYPOS = (
    _typo("case", of_words(case), 1),
    _typo("swap", of_words(swap)),
    _typo("drop", of_words(drop)),
    _typo("double", of_words(double)),
    _typo("key", of_words(neighbour_key)),
    _typo("diacritic", of_words(diacritic)),
    _typo("ocr", of_words(scanned)),
    _typo("leet", of_words(leet), 3),
    _typo("han_swap", swapped_han),
    _typo("homophone", of_words(alternatives("chinese_homophones.txt"))),
    _typo("lookalike", of_words(alternatives("chinese_lookalikes.txt"))),
)
