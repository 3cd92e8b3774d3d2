"""Assertions about short answers that are right or wrong, or right in part.

What `model`, `data`, `task` and `engine` may be is the same in all of them, and stands in `measure`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.question_answering import ExactMatch, SquadMatch
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.generate import Generate


@assertion
def assert_exact_match_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
    regexes_to_ignore: Sequence[str] = (),
) -> Measurement:
    """Assert that the share of answers that equal a right one is above a limit. From 0 to 1.

    `right / examples`; of several right answers one has to be met. White space counts, unless the task's filter strips it. The
    settings are those of `exact_match` in lm-evaluation-harness and Hugging Face's `evaluate`.

    Args:
        model: what writes the answers, or the list of answers that were given; see `measure`.
        data: rows with a `text` and a `target`, one right answer or a list of several; for a list of answers also these alone.
        limit: what the share has to exceed, such as 0.6.
        task: the prompt and the filter that cuts the answer out of the text; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        ignore_case: compare in lower case.
        ignore_punctuation: take out ASCII punctuation.
        ignore_numbers: take out ASCII digits.
        regexes_to_ignore: what these match is taken out first.

    Raises:
        QualityError: the share is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; a right answer of which nothing is left.

    Source: lm-evaluation-harness, Hugging Face `evaluate`.

    Example:
        >>> task = Generate("Q: {text}\\nA:", filter="first_line", max_tokens=10)
        >>> assert_exact_match_above(llm, "capitals.jsonl", 0.6, task=task, ignore_case=True)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    metric = ExactMatch(
        ignore_case=ignore_case,
        ignore_punctuation=ignore_punctuation,
        ignore_numbers=ignore_numbers,
        regexes_to_ignore=regexes_to_ignore,
    )
    return gate(measure(model, data, metric, task=task, engine=engine, until=until_limit(claim, early_stop)), claim)


@assertion
def assert_squad_f1_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that SQuAD's token F1 is above a limit. From 0 to 1 (the papers print 100 times that).

    `F1 = 2 · shared words / (words of the answer + words of the right one)`, after lower-casing and without ASCII punctuation
    and the articles a, an, the; of several right answers the closest counts; the mean over examples. The right answer to a
    question without one is "". The stricter `squad_exact_match` is a metric of `measure` and of the marker.

    Args:
        model: what writes the answers, or the list of answers that were given; see `measure`.
        data: rows with a `text` and a `target`, one right answer or a list of several; for a list of answers also these alone.
        limit: what F1 has to exceed, such as 0.7.
        task: the prompt, such as "{context}\\nQuestion: {text}\\nAnswer:"; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.

    Raises:
        QualityError: F1 is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number.

    Source: Rajpurkar et al. 2016, 2018; the official script of SQuAD 2.

    Example:
        >>> assert_squad_f1_above(["the free software"], [["free software"]], 0.9)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(
        measure(model, data, SquadMatch("f1"), task=task, engine=engine, until=until_limit(claim, early_stop)), claim
    )
