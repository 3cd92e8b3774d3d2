"""What stands around: sentences that say nothing to the point (Naik et al. 2018), in another order, twice."""

from __future__ import annotations

from pytest_llm.adversarial.document import Document, has_han
from pytest_llm.adversarial.operation import Operation, Preserves, Proposals, Proposer, at_end, at_start

NEUTRAL = (
    " It was a Tuesday.",
    " The train leaves at noon.",
    " The table has four legs.",
    " https://example.org/a1B2c3",
)
NEUTRAL_HAN = ("那天是星期二。", "火车中午开。", "桌子有四条腿。", "https://example.org/a1B2c3")
TAUTOLOGIES = (" and true is true", " and false is not true", " and true is true and true is true and true is true")
TAUTOLOGIES_HAN = ("真就是真。", "假不是真。", "真就是真，真就是真，真就是真。")
OPENINGS = ("Well, ", "By the way: ", "As I said, ", "Today is Tuesday. ")
OPENINGS_HAN = ("对了，", "顺便说一下，", "我说过，", "今天是星期二。")


def swapped(document: Document, site: int) -> Proposals:
    """A sentence and the next one in the other order, if they stand on one line."""
    found = document.sentence_at(site)
    if found is None or found + 1 >= len(document.sentences):
        return
    (start, end), (following, last) = document.sentences[found : found + 2]
    between = document.text[end:following]
    if "\n" not in between:
        yield start, last, document.text[following:last] + between + document.text[start:end]


def repeated(document: Document, site: int) -> Proposals:
    """A sentence said twice."""
    found = document.sentence_at(site)
    if found is not None:
        start, end = document.sentences[found]
        space = "" if has_han(document.text[start:end]) else " "
        yield end, end, space + document.text[start:end]


def _sentence_operation(name: str, proposals: Proposer, preserves: Preserves = "likely", cost: float = 3) -> Operation:
    return Operation(f"sentence.{name}", "sentence", preserves, cost, proposals)


SENTENCES = (
    _sentence_operation("distractor", at_end(NEUTRAL, NEUTRAL_HAN)),
    _sentence_operation("tautology", at_end(TAUTOLOGIES, TAUTOLOGIES_HAN)),
    _sentence_operation("opening", at_start(OPENINGS, OPENINGS_HAN)),
    _sentence_operation("swap", swapped, cost=4),
    _sentence_operation("repeat", repeated, cost=4),
)
