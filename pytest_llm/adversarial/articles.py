"""The English article that a word takes."""

from __future__ import annotations

import re

_MUTE_H = r"hour|honest|honou?r|heir"
_SPOKEN_YOU_OR_WON = r"eu|one\b|once\b|uni(?!n|m)|us(?:e|a|u|i)|ut(?:i|e|o)|ubi|ura|uk"
_VOWEL = re.compile(rf"{_MUTE_H}|(?!{_SPOKEN_YOU_OR_WON})[aeiou]", re.IGNORECASE)


def article(word: str) -> str:
    """The article, a or an: by the first sound, as far as letters tell it (an hour, a university, an umbrella)."""
    return "an" if _VOWEL.match(word) else "a"
