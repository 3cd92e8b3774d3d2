"""Edits that change what a text says, so that a model should notice: negation, other numbers and units, opposites, a word less."""

from __future__ import annotations

from pytest_llm.adversarial.document import Document, is_han
from pytest_llm.adversarial.operation import Operation, Proposals, Proposer, of_phrases, of_words, together
from pytest_llm.adversarial.perturbations.lists import alternatives, groups, in_case_of
from pytest_llm.adversarial.perturbations.numbers import (
    other_chinese_numbers,
    other_chinese_units,
    other_numbers,
    other_units,
)

_AUXILIARIES = frozenset({
    "am", "is", "are", "was", "were", "can", "could", "will", "would", "should", "must", "may", "might", "do", "does", "did",
})  # fmt: skip
_NOT_A_VERB = tuple("但可还就只于总若倒真都")
"""What 是 is a part of, or an adverb to, when it follows one of these."""


def _pairs(text: str) -> dict[str, tuple[str]]:
    return {word: (other,) for word, other in (pair.split("/") for pair in text.split())}


def _both_ways(text: str) -> dict[str, tuple[str]]:
    pairs = _pairs(text)
    return pairs | {other: (word,) for word, (other,) in pairs.items()}


_HAN_NEGATED = of_phrases(
    _pairs(
        "是/不是 有/没有 会/不会 能/不能 要/不要 想/不想 好/不好 喜欢/不喜欢 可以/不可以 应该/不应该 知道/不知道 值得/不值得 "
        "满意/不满意 推荐/不推荐 高兴/不高兴 同意/不同意 愿意/不愿意 精彩/不精彩 有趣/没趣 好看/不好看 好吃/不好吃"
    )
)
_HAN_OPPOSITES = _both_ways(
    "好/坏 大/小 多/少 喜欢/讨厌 高兴/难过 精彩/无聊 容易/困难 美丽/丑陋 成功/失败 增加/减少 便宜/昂贵 好看/难看 好吃/难吃"
)


def negated(document: Document, site: int) -> Proposals:
    """A "not" behind an auxiliary verb; 不 or 没 before a Chinese one that has neither."""
    start, end = document.words[site]
    word = document.text[start:end]
    if word.lower() in _AUXILIARIES and not _is_not(document, site + 1):
        yield end, end, "not" if word.lower() == "can" else " not"
    elif is_han(word) and not document.text[:start].endswith(("不", "没", *_NOT_A_VERB)):
        yield from _HAN_NEGATED(document, site)


def affirmed(document: Document, site: int) -> Proposals:
    """Without a "not", "n't", "never", 不 or 没."""
    start, end = document.words[site]
    text = document.text
    word = text[start:end]
    plain = word.replace("’", "'").lower()
    if plain in ("not", "never") and site and text[start - 1] == " ":
        yield start - 1, end, ""
    elif plain == "cannot":
        yield start, end, in_case_of(word, "can")
    elif plain.endswith("n't"):
        for short, *long in groups("english_contractions.txt"):
            if short == plain and long[-1].endswith(" not"):
                yield start, end, in_case_of(word[:1], long[-1].removesuffix(" not"))
    elif word == "不" or text.startswith("没有", start):
        yield start, start + 1, ""


def _is_not(document: Document, site: int) -> bool:
    return site < len(document.words) and document.text[slice(*document.words[site])].lower() == "not"


def dropped(document: Document, site: int) -> Proposals:
    """Without one word, and without the space before it (behind it, for the first)."""
    words = document.words
    if len(words) < 2:
        return
    start, end = words[site]
    if site and document.text[words[site - 1][1] : start].isspace():
        yield words[site - 1][1], end, ""
    elif site == 0 and document.text[end : words[1][0]].isspace():
        yield start, words[1][0], ""
    elif is_han(document.text[start:end]):
        yield start, end, ""


def _meaning(name: str, proposals: Proposer) -> Operation:
    return Operation(f"meaning.{name}", "word", "no", 4, proposals)


MEANING = (
    _meaning("negate", negated),
    _meaning("affirm", affirmed),
    _meaning("number", together(of_words(other_numbers), other_chinese_numbers)),
    _meaning("unit", together(other_units, other_chinese_units)),
    _meaning("drop", dropped),
    _meaning("opposite", together(of_words(alternatives("english_opposites.txt")), of_phrases(_HAN_OPPOSITES))),
)
