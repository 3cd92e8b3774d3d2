"""The other gender throughout a text: he for she, 她 for 他. Names and nouns stay; a text that has both genders does too."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_llm.adversarial.document import Document
from pytest_llm.adversarial.operation import Proposals
from pytest_llm.adversarial.perturbations.lists import in_case_of

_HERS = {"he": "she", "him": "her", "himself": "herself", "his": "her"}
_HIS = {"she": "he", "her": "him", "herself": "himself", "hers": "his"}
_HAN = {"他": "她", "她": "他"}
_NO_PRONOUN_BEHIND, _NO_PRONOUN_BEFORE = tuple("其吉维利排"), tuple("人命")
"""其他, 吉他, 维他命, 他人, …: 他 is a part of the word."""
_NO_NOUNS = frozenset({
    "a", "about", "after", "again", "all", "an", "and", "any", "as", "at", "away", "back", "because", "before", "but", "by", "down",
    "for", "from", "how", "if", "in", "into", "not", "of", "off", "on", "or", "out", "over", "so", "some", "than", "that", "the",
    "then", "there", "these", "this", "those", "to", "today", "too", "up", "what", "when", "where", "which", "while", "who", "why",
    "with", "yesterday",
})  # fmt: skip
"""What begins no noun phrase that "his" or "her" could belong to."""


def swapped_pronouns(document: Document, site: int) -> Proposals:
    """All pronouns of the text at once, from the first one, which is at this site."""
    places = list(_pronouns(document))
    if not places or places[0][0] != site:
        return
    text, start, end = document.text, document.words[site][0], document.words[places[-1][0]][1]
    if len({is_his for _, _, is_his in places}) > 1:
        return
    made, done = "", start
    for place, other, _ in places:
        begin, after = document.words[place]
        made, done = made + text[done:begin] + other, after
    yield start, end, made


def _pronouns(document: Document) -> Iterator[tuple[int, str, bool]]:
    """Of each pronoun the number of its word, its counterpart, and whether it is a man's."""
    text = document.text
    for place, (start, end) in enumerate(document.words):
        word = text[start:end]
        if word in _HAN:
            if not text[:start].endswith(_NO_PRONOUN_BEHIND) and not text.startswith(_NO_PRONOUN_BEFORE, end):
                yield place, _HAN[word], word == "他"
            continue
        pronoun = word.replace("’", "'").partition("'")[0]  # of he's, she'll
        low = pronoun.lower()
        if low not in _HERS | _HIS:
            continue
        other = (_HERS | _HIS)[low]
        if low == "his" and not _has_noun(document, place):
            other = "hers"
        if low == "her" and _has_noun(document, place):
            other = "his"
        yield place, in_case_of(pronoun, other) + word[len(pronoun) :], low in _HERS


def _has_noun(document: Document, place: int) -> bool:
    """Whether a possessive pronoun could stand here: before a word that may begin a noun phrase."""
    if place + 1 == len(document.words):
        return False
    end, (start, after) = document.words[place][1], document.words[place + 1]
    return document.text[end:start] == " " and document.text[start:after].lower() not in _NO_NOUNS
