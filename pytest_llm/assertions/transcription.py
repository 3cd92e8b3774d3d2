"""Assertions about transcripts: how much of what was said a recogniser got wrong.

What `model`, `data`, `task` and `engine` may be is the same in all of them, and stands in `measure`. Most often the
hypotheses are at hand, and stand in the place of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.transcription import ErrorRate
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.generate import Generate

Transform: TypeAlias = Literal["none", "basic"] | Callable[[str], Any]


@assertion
def assert_wer_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    transform: Transform = "none",
) -> Measurement:
    """Assert that the word error rate is below a limit. 0 is perfect; 1 and more is possible (0.05 is 5 %).

    `(S + D + I) / N`: substituted, deleted and inserted words per word of the references, all examples added up first. Words
    are what white space separates; for scripts without spaces use `assert_cer_below`. A failure shows the alignment of
    the worst examples.

    Args:
        model: the list of hypotheses; or a model that writes them, see `measure`.
        data: the list of references; or rows with a `text` and a `target`. Each example has one reference.
        limit: what the rate must not reach, such as 0.1.
        task: what a model is asked to do; None: to continue `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for speech like this; None judges this data as it is.
        transform: "none" changes nothing but white space: "Paris." is not "paris"; "basic" ignores case and punctuation; or a
            function from text to text, or a `jiwer.Compose`.

    Raises:
        QualityError: the rate is not below the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; an empty reference, or several.

    Source: jiwer.

    Example:
        >>> assert_wer_below(["turn on the light"], ["Turn off the light."], 0.3, transform="basic")  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    return gate(
        measure(
            model, data, ErrorRate("wer", transform), task=task, engine=engine, until=until_limit(claim, early_stop)
        ),
        claim,
    )


@assertion
def assert_cer_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    transform: Transform = "none",
) -> Measurement:
    """Assert that the character error rate is below a limit. 0 is perfect; 1 and more is possible (0.05 is 5 %).

    `(S + D + I) / N` over characters, spaces included, all examples added up first: for scripts without spaces, and for
    recognisers of writing. Otherwise as `assert_wer_below`.

    Args:
        model: the list of hypotheses; or a model that writes them, see `measure`.
        data: the list of references; or rows with a `text` and a `target`. Each example has one reference.
        limit: what the rate must not reach, such as 0.05.
        task: what a model is asked to do; None: to continue `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for speech like this; None judges this data as it is.
        transform: as in `assert_wer_below`.

    Raises:
        QualityError: the rate is not below the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; an empty reference, or several.

    Source: jiwer.

    Example:
        >>> assert_cer_below(["今天天气好"], ["今天天气很好"], 0.2)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(
        measure(
            model, data, ErrorRate("cer", transform), task=task, engine=engine, until=until_limit(claim, early_stop)
        ),
        claim,
    )


@assertion
def assert_mer_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    transform: Transform = "none",
) -> Measurement:
    """Assert that the match error rate is below a limit. From 0, perfect, to 1, nothing matched.

    `(S + D + I) / (H + S + D + I)`: the share of aligned pairs of words that are errors, H being hits; unlike the word
    error rate it cannot exceed 1, however much is inserted.

    Args:
        model: the list of hypotheses; or a model that writes them, see `measure`.
        data: the list of references; or rows with a `text` and a `target`. Each example has one reference.
        limit: what the rate must not reach, such as 0.1.
        task: what a model is asked to do; None: to continue `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for speech like this; None judges this data as it is.
        transform: as in `assert_wer_below`.

    Raises:
        QualityError: the rate is not below the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; an empty reference, or several.

    Source: Morris, Maier & Green 2004; jiwer.

    Example:
        >>> assert_mer_below(["a black black cat"], ["a black cat"], 0.3)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(measure(model, data, ErrorRate("mer", transform), task=task, engine=engine), claim)


@assertion
def assert_wil_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    transform: Transform = "none",
) -> Measurement:
    """Assert that the word information lost is below a limit. From 0, perfect, to 1, all is lost.

    `1 − H/N · H/M`: what is missing of the product of recall (hits per word of the references) and precision (hits per
    word of the hypotheses).

    Args:
        model: the list of hypotheses; or a model that writes them, see `measure`.
        data: the list of references; or rows with a `text` and a `target`. Each example has one reference.
        limit: what it must not reach, such as 0.2.
        task: what a model is asked to do; None: to continue `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for speech like this; None judges this data as it is.
        transform: as in `assert_wer_below`.

    Raises:
        QualityError: it is not below the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; an empty reference, or several.

    Source: Morris, Maier & Green 2004; jiwer.

    Example:
        >>> assert_wil_below(["a black cat"], ["a black cat sat"], 0.3)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(measure(model, data, ErrorRate("wil", transform), task=task, engine=engine), claim)
