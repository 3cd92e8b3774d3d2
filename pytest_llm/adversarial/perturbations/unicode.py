"""What a reader does not see, or reads as the same, and a tokenizer does not (Boucher et al. 2022, "Bad Characters").

Those that preserve a text exactly are undone by `sanitising.sanitise`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from pytest_llm.adversarial.document import is_han
from pytest_llm.adversarial.operation import Operation, Preserves, of_words
from pytest_llm.adversarial.sanitising import BACKSPACE, HOMOGLYPHS, reordered

ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f")
"""Space, non-joiner, joiner, word joiner, byte order mark, soft hyphen (shown at the end of a line alone), grapheme joiner."""
_VARIATION = ("\ufe0e", "\ufe0f")
_TAG_A = "\U000e0061"
_MARKS = ("\u0323", "\u0307", "\u0301")
_LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}
_FULLWIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
# characters drawn as a Han character of ordinary text, and equivalent to it
_RADICALS = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0x2F00, 0x2FD6)}


def zero_width(word: str) -> Iterator[str]:
    """A character without width: each of them in the middle of the word, the first one elsewhere; behind a Han character."""
    for place in _middle_first(word)[:1]:
        yield from (word[:place] + character + word[place:] for character in ZERO_WIDTH)
    for place in _middle_first(word)[1:]:
        yield word[:place] + ZERO_WIDTH[0] + word[place:]


def variation(word: str) -> Iterator[str]:
    """A variation selector behind a letter, which has no variations."""
    for place in _middle_first(word)[:1]:
        yield from (word[:place] + character + word[place:] for character in _VARIATION)


def tag(word: str) -> Iterator[str]:
    """A tag character, which is shown nowhere outside flags, behind the word or in its middle."""
    yield word + _TAG_A
    for place in _middle_first(word)[:1]:
        yield word[:place] + _TAG_A + word[place:]


def homoglyph(word: str) -> Iterator[str]:
    """One letter as the Cyrillic or Greek one that is drawn alike; in words of two Latin letters and more."""
    if len(word) >= 2 and word.isascii() and word.isalpha():
        for rank in range(max(map(len, HOMOGLYPHS.values()))):
            for place, letter in enumerate(word):
                if rank < len(HOMOGLYPHS.get(letter, "")):
                    yield word[:place] + HOMOGLYPHS[letter][rank] + word[place + 1 :]


def radical(word: str) -> Iterator[str]:
    """A Han character as the sign for a radical of its shape: 人 as U+2F08."""
    if word in _RADICALS:
        yield _RADICALS[word]


def bidirectional(word: str) -> Iterator[str]:
    """Two letters stored in the other order, between controls that show them in theirs."""
    if word.isascii() and word.isalnum():
        for place in _middle_first(word):
            yield word[: place - 1] + reordered(word[place - 1], word[place]) + word[place + 1 :]


def delete(word: str) -> Iterator[str]:
    """A letter and a backspace behind it, which a terminal takes away again."""
    for place in _middle_first(word):
        yield word[:place] + "x" + BACKSPACE + word[place:]


def decomposed(word: str) -> Iterator[str]:
    """Accents and syllables in their parts (normal form D)."""
    yield unicodedata.normalize("NFD", word)


def composed(word: str) -> Iterator[str]:
    """Parts put together (normal form C)."""
    yield unicodedata.normalize("NFC", word)


def ligature(word: str) -> Iterator[str]:
    """The letters fi, fl, ff as one character."""
    for letters, joined in _LIGATURES.items():
        if letters in word:
            yield word.replace(letters, joined, 1)


def fullwidth(word: str) -> Iterator[str]:
    """Letters and digits as wide as a Han character."""
    if word.isascii():
        yield word.translate(_FULLWIDTH)


def combining(word: str) -> Iterator[str]:
    """A mark on one letter: a dot below, a dot above, an acute accent."""
    if word.isalpha() and word.isascii():
        for place in (_middle_first(word) or [1])[:1]:
            yield from (word[:place] + mark + word[place:] for mark in _MARKS)


def _middle_first(word: str) -> list[int]:
    """Places between letters, the middle first; behind a Han character, which stands alone."""
    if is_han(word):
        return [1]
    return sorted(range(1, len(word)), key=lambda place: abs(2 * place - len(word)))


def _unicode(
    name: str, candidates: Callable[[str], Iterable[str]], cost: float = 1, preserves: Preserves = "exact"
) -> Operation:
    return Operation(f"unicode.{name}", "unicode", preserves, cost, of_words(candidates))


UNICODE = (
    _unicode("zerowidth", zero_width),
    _unicode("homoglyph", homoglyph),
    _unicode("radical", radical),
    _unicode("nfd", decomposed),
    _unicode("nfc", composed),
    _unicode("ligature", ligature),
    _unicode("variation", variation),
    _unicode("tag", tag),
    _unicode("bidi", bidirectional, 2),
    _unicode("delete", delete, 2),
    _unicode("fullwidth", fullwidth, 2, "likely"),
    _unicode("combining", combining, 3, "likely"),
)
