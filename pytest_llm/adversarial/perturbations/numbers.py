"""Numbers in words and in digits, other numbers, other units behind them, English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_llm.adversarial.document import Document
from pytest_llm.adversarial.operation import Proposals, of_phrases
from pytest_llm.adversarial.perturbations.lists import alternatives, in_case_of, table

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = {word: value for value, word in enumerate(_SMALL)} | {word: 10 * tens for tens, word in enumerate(_TENS, 2)}
"""What English number words of one part are worth."""
SPELT = {value: word for word, value in NUMBERS.items()}
HAN_DIGITS = "零一二三四五六七八九十"
_MEASURES = "个只本名次年天月岁位张条件部块元分点人"
"""Characters that follow a number: without one of them 一 and 三 may be part of a word."""


def in_digits(word: str) -> Iterator[str]:
    """A number word as digits; "one" stays, which is a pronoun more often."""
    value = NUMBERS.get(word.lower())
    if value is not None and value != 1:
        yield str(value)


def in_words(word: str) -> Iterator[str]:
    """Digits as a number word."""
    if re.fullmatch("[1-9][0-9]?", word) and int(word) in SPELT:
        yield SPELT[int(word)]


def grouped(word: str) -> Iterator[str]:
    """Thousands with a comma; numbers of four digits may be years and stay."""
    if re.fullmatch("[1-9][0-9]{4,}", word):
        yield f"{int(word):,}"


def chinese_numbers(document: Document, site: int) -> Proposals:
    """三个 as 3个, and the reverse, from one to ten, before a measure word."""
    found = han_number(document, site)
    if found is not None:
        start, end, value = found
        digits = document.text[start:end].isascii()
        yield start, end, HAN_DIGITS[value] if digits else str(value)


def han_number(document: Document, site: int) -> tuple[int, int, int] | None:
    """Where a number of one sign stands before a measure word, and its value."""
    start, end = document.words[site]
    text = document.text
    if text[end : end + 1] not in tuple(_MEASURES) or text[start - 1 : start] in tuple(HAN_DIGITS):
        return None
    written = text[start:end]
    if written == "两":
        return start, end, 2
    if written in HAN_DIGITS and len(written) == 1:
        return start, end, HAN_DIGITS.index(written)
    return (start, end, int(written)) if re.fullmatch("[0-9]|10", written) else None


def other_numbers(word: str) -> Iterator[str]:
    """Another value: one more, one less, ten times as much; in digits or in words, as it was."""
    if re.fullmatch("[0-9]{1,9}", word):
        value = int(word)
        yield from (str(other) for other in (value + 1, value - 1, 10 * value) if other >= 0)
    elif NUMBERS.get(word.lower(), 1) != 1:
        value = NUMBERS[word.lower()]
        yield from (in_case_of(word, SPELT[other]) for other in (value + 1, value - 1) if other in SPELT)


def other_units(document: Document, site: int) -> Proposals:
    """Another unit of the same quantity behind a number: 5 km as 5 m."""
    start, end = document.words[site]
    before, text = document.words[site - 1] if site else (0, 0), document.text
    number = text[slice(*before)]
    is_number = number.lower() in NUMBERS or re.fullmatch("[0-9]+", number) is not None
    if is_number and text[before[1] : start] in (" ", "\u00a0"):
        yield from ((start, end, unit) for unit in alternatives("english_units.txt")(text[start:end]))


def other_chinese_units(document: Document, site: int) -> Proposals:
    """Another unit of the same quantity behind a number: 五公里 as 五米."""
    before = document.text[: document.words[site][0]].removesuffix("个")[-1:]
    if before and (before in HAN_DIGITS + "两百千万" or before.isdigit()):
        yield from of_phrases(table("chinese_units.txt"))(document, site)


def other_chinese_numbers(document: Document, site: int) -> Proposals:
    """Another value before a measure word: one more, one less."""
    found = han_number(document, site)
    if found is not None and not document.text[found[0] : found[1]].isascii():
        start, end, value = found
        yield from ((start, end, HAN_DIGITS[other]) for other in (value + 1, value - 1) if 1 <= other <= 10)
