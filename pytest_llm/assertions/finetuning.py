"""Assertions about fine-tuning: that a model learned what it was tuned for, and did not forget what it could do before."""

from __future__ import annotations

from typing import Any

from pytest_llm.assertions.both_models import measure_both
from pytest_llm.assertions.gate import assertion, conclude
from pytest_llm.baselines.current import current_shelf
from pytest_llm.data.loading import Data
from pytest_llm.data.predictions import Predictions
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.improvement import Improvement, judge_improvement
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import judge_change
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model
from pytest_llm.tasks.task import Task
from pytest_llm.tolerance import Inconclusive, Tolerance, parse_amount

_BEFORE = "before tuning"
_GENTLER = "to forget less: a lower learning rate, fewer steps, fewer parameters, or old data among the new"


@assertion
def assert_finetuning_improves(
    before: Model | Predictions,
    after: Model | Predictions,
    data: Data,
    metric: Metric | str,
    *,
    margin: str | float = 0,
    alpha: float = 0.01,
    cluster: str | None = None,
    task: Task | None = None,
    before_task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    **settings: Any,
) -> Measurement:
    """Assert that a tuned model is better than it was before, by more than a margin, and by more than chance makes.

    Both answer the same held-out examples and are compared one by one. It passes if the gain on these examples exceeds the margin
    and, from a model whose true gain is the margin, a gain as large would come with one-sided p < alpha: by McNemar's exact
    test where each example is right or wrong, none hang together and the margin is 0; else by the paired t of the jackknife
    over documents or clusters. A gain that may be chance does not pass, and says how many documents would prove it.

    Rows that were trained on prove nothing, and rows of their clusters (other paragraphs of the same page) little: hold out
    whole clusters.

    Args:
        before: the model before it was tuned, or predictions; see `measure`.
        after: the tuned model, given in the same way.
        data: held-out rows; both answer all of them.
        metric: its name, such as "accuracy", or the metric itself; a function of sums over examples.
        margin: how much better it has to be: "5%" (of the value before), "5pp" (percentage points), or a number in the metric's
            own unit.
        alpha: how often a model that did not improve may pass.
        cluster: the column of the rows that says which examples belong together; as in `measure`.
        task: what the models are asked to do; None: what the metric asks for.
        before_task: what the model is asked to do before, where tuning changed the prompt too; None: the same.
        engine: how they are asked.
        budget: how long it may take, such as "5min". See `budget`.
        **settings: the metric's, where it is given by name.

    Returns:
        The measurement of the tuned model.

    Raises:
        QualityError: not better, not by the margin, or not provably; or a value that is not a number.
        MisuseError: (a ValueError) models that cannot be compared; data, models or settings that give no number at all.

    Source: McNemar 1947, Psychometrika 12; for paired comparisons of models Dietterich 1998, Neural Computation 10.

    Example:
        >>> assert_finetuning_improves(base, tuned, "held_out.jsonl", "accuracy", task=TOPIC)  # doctest: +SKIP
    """
    claim = Improvement(parse_amount("margin", margin), alpha)
    own, base = measure_both(
        after,
        before,
        data,
        metric,
        task=task,
        base_task=before_task,
        engine=engine,
        cluster=cluster,
        **settings,
    )
    return conclude(judge_improvement(_beside(own, base), claim))


@assertion
def assert_no_forgetting(
    before: Model | Predictions,
    after: Model | Predictions,
    data: Data,
    metric: Metric | str,
    tolerance: str | float,
    *,
    alpha: float = 0.01,
    on_inconclusive: Inconclusive = "warn",
    cluster: str | None = None,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    **settings: Any,
) -> Measurement:
    """Assert that a tuned model still does what it could do before: that it did not forget (McCloskey & Cohen 1989).

    The rule is that of `assert_no_regression` between the two models, on data of another task than the one it was tuned for: it
    fails if the drop exceeds the tolerance and chance makes such a drop with one-sided p < alpha. What exceeds it and may be
    chance passes as suspect, with a warning, unless `on_inconclusive` or `--llm-strict` says otherwise.

    Args:
        before: the model before it was tuned, or predictions; see `measure`.
        after: the tuned model, given in the same way.
        data: rows of what it could do before, such as the text it was pre-trained on.
        metric: its name, such as "perplexity", or the metric itself; a function of sums over examples.
        tolerance: how much worse it may get: "5%" of the value before, "1pp" for shares, or a number in the metric's own unit.
        alpha: how often a model that forgot nothing may fail.
        on_inconclusive: what becomes of a drop that exceeds the tolerance and may be chance: "warn", "fail", "skip" or "xfail".
        cluster: the column of the rows that says which examples belong together; as in `measure`.
        task: what the models are asked to do; None: what the metric asks for.
        engine: how they are asked.
        budget: how long it may take, such as "5min". See `budget`.
        **settings: the metric's, where it is given by name.

    Returns:
        The measurement of the tuned model.

    Raises:
        QualityError: it forgot more than is tolerated, or a value is not a number.
        MisuseError: (a ValueError) a model that could do nothing of it before, so that there is nothing to forget; models that
            cannot be compared; data, models or settings that give no number at all.

    Example:
        >>> assert_no_forgetting(base, tuned, "novels.jsonl", "perplexity", "5%")  # doctest: +SKIP
    """
    claim = Tolerance(parse_amount("tolerance", tolerance), alpha, on_inconclusive=on_inconclusive)
    if (shelf := current_shelf()) is not None:
        claim = shelf.asks(claim)
    own, base = measure_both(after, before, data, metric, task=task, engine=engine, cluster=cluster, **settings)
    if base.value == 0 and not base.lower_is_better:
        raise MisuseError(
            f"{base.metric} was 0 before tuning on {base.data}: there is nothing that could have been forgotten"
        )
    return conclude(judge_change(_beside(own, base, _GENTLER), claim))


def _beside(own: Measurement, base: Measurement, *notes: str) -> Comparison:
    return Comparison(own, _BEFORE, base.statistics, str(base.provenance), notes, accept="")
