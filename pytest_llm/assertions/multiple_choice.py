"""The assertion about multiple choice. What `model`, `data`, `task` and `engine` may be stands in `measure`."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.multiple_choice import MultipleChoice, Per
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.choose import Choose


@assertion
def assert_acc_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Choose | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    per: Per = "choice",
) -> Measurement:
    """Assert that the share of questions whose right choice the model finds most probable is above a limit. From 0 to 1.

    Each choice is scored as the continuation of the prompt, and `argmax ll / length` should be the right one: `ll` is the
    log-likelihood of the choice, length what `per` says. Guessing gives 1 / choices. Of equals the first is taken.

    *lm-evaluation-harness.* On the same prompt the numbers are those of its multiple-choice tasks: `per="choice"` is its `acc`,
    "character" its `acc_norm` and "byte" its `acc_bytes`; "token" (`acc_tokens`) is not in it, and depends on the tokenizer.
    Lengths are those of the choice without the delimiter (its `target_delimiter`). The prompt of `Choose`,
    "Question: {text}\\nAnswer:", is that of its ARC tasks; `shots` are fixed rows, where the harness draws some for each question.

    Args:
        model: what scores the choices, or a list of `ChoiceScores`; see `measure`.
        data: rows with a `text`, a list of `choices`, and as `target` the index of the right one, from 0, or a list of these.
        limit: what the share has to exceed; well above chance, such as 0.4 of four choices.
        task: the prompt, worked examples, or choices that hold for all rows; None: `Choose()`.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for questions like these; None judges these as they are.
        per: "choice" compares log-likelihoods as they are, which favours short choices; "character", "byte" and "token" divide
            by the length. The metric is called `acc`, `acc_norm`, `acc_bytes` or `acc_tokens` accordingly.

    Raises:
        QualityError: the share is not above the limit, not provably so if `confidence` asks for proof, or a score is NaN.
        MisuseError: (a ValueError) data, model or settings that give no number; a question too long for the model's context.

    Source: `ConfigurableTask.process_results` of lm-evaluation-harness 0.4.

    Example:
        >>> assert_acc_above(llm, "multiple_choice.jsonl", 0.4, per="character")  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    return gate(
        measure(model, data, MultipleChoice(per), task=task, engine=engine, until=until_limit(claim, early_stop)), claim
    )
