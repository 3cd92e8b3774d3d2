"""Answer `Extract`: where the entities are that a model finds, in characters or, beside tags, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking, truncating
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.inference.writing import write
from pytest_llm.metrics.extraction import Span, WordSpans
from pytest_llm.models.language_model import AnyModel, Extractor
from pytest_llm.tasks.extract import Extract, Finding


def extract(model: AnyModel, examples: Sequence[Example], task: Extract) -> list[list[Span]]:
    """The entities of each example, in the units of its target.

    Raises:
        MisuseError: a model that finds nothing, an answer that is no list of spans, words that do not stand in the text.
    """
    if task.generate is None:
        found = _by_head(model, examples, task)
    else:
        found = [
            in_text(example, task.findings(example, written))
            for example, written in zip(examples, write(model, examples, task.generate), strict=True)
        ]
    return [
        _in_words(example, spans, task.words) if _is_tagged(example) else spans
        for example, spans in zip(examples, found, strict=True)
    ]


def _by_head(model: AnyModel, examples: Sequence[Example], task: Extract) -> list[list[Span]]:
    if not isinstance(model, Extractor):
        raise lacking(
            model,
            "where the entities of a text are",
            "a model with a head for token classification, an object with a method extract(texts), or a prompt to write after: "
            "task=Extract(Generate(…))",
        )
    compute = partial(_extract, settings=truncating(model, "extract", task.truncate))
    answers = remembered(
        model, [example.text for example in examples], ("extract", task.truncate), compute, lambda text: text
    )
    return [_checked(model, example, answer) for example, answer in zip(examples, answers, strict=True)]


def _extract(model: Extractor, texts: list[str], settings: Mapping[str, Any]) -> list[Any]:
    return ask(model, "extract", texts, **settings)


def _checked(model: AnyModel, example: Example, answer: Any) -> list[Span]:
    try:
        return [(int(start), int(end), str(label)) for start, end, label in answer]
    except (TypeError, ValueError):
        raise MisuseError(
            f"{type(model).__name__}.extract returned {answer!r:.80} for {example.label}; expected a list of (start, end, label), "
            f"counted in characters"
        ) from None


def in_text(example: Example, findings: Sequence[Finding]) -> list[Span]:
    """Where findings stand in the text; one that stands nowhere is put behind its end, where it is wrong whatever is right."""
    spans: dict[Span, None] = {}
    behind = len(example.text)
    for text, label in findings:
        found = [(start, start + len(text), label) for start in _occurrences(example.text, text)]
        if not found:
            found, behind = [(behind, behind + 1, label)], behind + 1
        spans.update(dict.fromkeys(found))
    return list(spans)


def _occurrences(text: str, part: str) -> Iterator[int]:
    """Where a part stands and is not in the middle of a word."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        before, after = text[max(0, start - 1) : start + 1], text[end - 1 : end + 1]
        if not any(len(seam) == 2 and seam.isalnum() for seam in (before, after)):
            yield start
        start = text.find(part, start + 1)


def _is_tagged(example: Example) -> bool:
    target = example.target
    return isinstance(target, Sequence) and len(target) > 0 and isinstance(target[0], str)


def _in_words(example: Example, spans: Sequence[Span], column: str) -> WordSpans:
    """The same spans, counted in the words that have a character in them. A span behind the text is behind the last word."""
    places = list(_words(example, column))
    found = WordSpans()
    for start, end, label in spans:
        inside = [number for number, (first, last) in enumerate(places) if first < end and start < last]
        behind = len(places) + max(0, start - len(example.text))
        found.append((inside[0], inside[-1] + 1, label) if inside else (behind, behind + 1, label))
    return found


def _words(example: Example, column: str) -> Iterator[tuple[int, int]]:
    words = example.row.get(column)
    if not isinstance(words, Sequence) or isinstance(words, str) or len(words) != len(example.target):
        raise MisuseError(
            f"the target of example {example.label} is {len(example.target)} tags: give the words that they belong to, as many, in "
            f"the column {column!r}, or name another: Extract(words=…)"
        )
    end = 0
    for word in words:
        start = example.text.find(word, end)
        if start < 0:
            raise MisuseError(
                f"the word {word!r} of example {example.label} does not stand in its text where it should"
            )
        end = start + len(word)
        yield start, end
