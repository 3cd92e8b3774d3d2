"""Other words for the same: synonyms, contractions, numbers, dates, names, pronouns, spellings; and words twice or in disorder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pytest_llm.adversarial.articles import article
from pytest_llm.adversarial.document import Document, has_han, is_han
from pytest_llm.adversarial.operation import Operation, Proposals, Proposer, of_phrases, of_words, together
from pytest_llm.adversarial.perturbations.dates import rewritten_dates
from pytest_llm.adversarial.perturbations.lists import alternatives, groups, in_case_of, table
from pytest_llm.adversarial.perturbations.numbers import chinese_numbers, grouped, in_digits, in_words
from pytest_llm.adversarial.perturbations.pronouns import swapped_pronouns

_FILLERS = ("really", "just", "basically", "um,", "you know,")
_FILLERS_HAN = ("嗯，", "那个，", "其实")


def agreeing(proposer: Proposer) -> Proposer:
    """The same proposals, with an article before them that agrees: "a big house" becomes "an enormous house"."""

    def proposals(document: Document, site: int) -> Proposals:
        begin, after = document.words[site - 1] if site else (0, 0)
        said = document.text[begin:after]
        for start, end, new in proposer(document, site):
            fits = article(new)
            if said.lower() in ("a", "an") and said.lower() != fits and start == after + 1:
                yield begin, end, f"{in_case_of(said[:1], fits)} {new}"
            else:
                yield start, end, new

    return proposals


def contracted(document: Document, site: int) -> Proposals:
    """Two words as a short form: "do not" as "don't"."""
    if site + 1 >= len(document.words):
        return
    start, end = document.words[site][0], document.words[site + 1][1]
    phrase = document.text[start:end]
    for short, *long in groups("english_contractions.txt"):
        if phrase.lower() in long:
            yield start, end, in_case_of(phrase[:1], short)


def expanded(word: str) -> Iterator[str]:
    """A short form as two words: "don't" as "do not"; a curly apostrophe is one too."""
    plain = word.replace("’", "'").lower()
    for short, *long in groups("english_contractions.txt"):
        if plain == short:
            yield from (in_case_of(word[:1], one) for one in long)


def repeated(word: str) -> Iterator[str]:
    """The word twice."""
    yield word + word if is_han(word) else f"{word} {word}"


def filler(document: Document, site: int) -> Proposals:
    """A word of hesitation before the word, as in speech."""
    start, end = document.words[site]
    if is_han(document.text[start:end]):
        if site == 0:
            yield from ((start, start, spoken) for spoken in _FILLERS_HAN)
    elif site and document.text[start - 1] == " ":
        yield from ((start, start, f"{spoken} ") for spoken in _FILLERS)


def reordered(document: Document, site: int) -> Proposals:
    """A word and the next one in the other order, where a space alone is between them."""
    if site + 1 >= len(document.words):
        return
    (start, end), (following, last) = document.words[site], document.words[site + 1]
    text = document.text
    if text[end:following] == " ":
        yield start, last, f"{text[following:last]} {text[start:end]}"


def traditional(word: str) -> Iterator[str]:
    """A simplified character as the traditional one, and the reverse."""
    yield from table("chinese_scripts.txt").get(word, ())


def _phrases(name: str) -> Proposer:
    """Phrases of a Chinese list, which is read when a text has Chinese characters."""

    @cache
    def proposer() -> Proposer:
        return of_phrases(table(name))

    def proposals(document: Document, site: int) -> Proposals:
        return proposer()(document, site) if has_han(document.text) else ()

    return proposals


def _english(proposer: Proposer) -> Proposer:
    """Proposals for texts without Chinese characters alone: "3" of a Chinese text is no "three"."""

    def proposals(document: Document, site: int) -> Proposals:
        return () if has_han(document.text) else proposer(document, site)

    return proposals


def _word(name: str, proposals: Proposer, cost: float = 2) -> Operation:
    return Operation(f"word.{name}", "word", "likely", cost, proposals)


WORDS = (
    _word("contraction", together(contracted, of_words(expanded)), 1),
    _word("number", together(_english(together(of_words(in_digits), of_words(in_words))), chinese_numbers), 1),
    _word("number_format", of_words(grouped), 1),
    _word("date", rewritten_dates, 1),
    _word("spelling", of_words(alternatives("english_spellings.txt")), 1),
    _word("script", of_words(traditional), 1),
    _word(
        "synonym", together(agreeing(of_words(alternatives("english_synonyms.txt"))), _phrases("chinese_synonyms.txt"))
    ),
    _word("name", together(of_words(alternatives("english_names.txt")), _phrases("chinese_names.txt"))),
    _word("city", together(of_words(alternatives("english_cities.txt")), _phrases("chinese_cities.txt"))),
    _word("pronoun", swapped_pronouns),
    _word("filler", filler),
    _word("inflection", of_words(alternatives("english_inflections.txt")), 3),
    _word("repeat", of_words(repeated), 3),
    _word("reorder", reordered, 3),
)
