"""From a model, data and a metric to a measurement: the middle of the path of every quality assertion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, clustered, describe, load_examples
from pytest_llm.data.predictions import Predictions, Targets, as_predictions, paired
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.data.ratings import RatingRows
from pytest_llm.data.sampling import current_sample, described_part, drawn
from pytest_llm.data.stored_examples import StoredExamples
from pytest_llm.data.streaming import Stream, as_stream, drawn_from, paired_stream
from pytest_llm.effort import working
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer, context_length, ready
from pytest_llm.inference.early_stopping import answer_until_decided
from pytest_llm.inference.engine import Engine, using
from pytest_llm.inference.in_batches import Counted, fitted_to, refuse_whole, summed
from pytest_llm.inference.memo import forgetting, remembering
from pytest_llm.inference.progress import measuring
from pytest_llm.inference.time_budget import TimeBudget, spending
from pytest_llm.inference.unfinished import accounting
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics import metric_named
from pytest_llm.metrics.metric import Metric, estimate_of, fit, value_of_each
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.metrics.settings import settings_of
from pytest_llm.models.language_model import AnyModel, identity, provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.recording import afresh, record_measurement
from pytest_llm.replaying import replaying
from pytest_llm.statistics.jackknife import FloatArray, sum_of
from pytest_llm.stopping.gates import Subject, Until
from pytest_llm.stopping.watch import Stopped
from pytest_llm.storage.growing_array import whole
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task
from pytest_llm.tasks.timed import Timed, Watched

Answers: TypeAlias = "Model | Predictions | Iterator[Any] | None"
"""Where the outputs come from: a model that is asked, or a list (beside a stream, also an iterator) of what was answered elsewhere.
None where people answered."""
Questions: TypeAlias = "Data | Targets | RatingRows | Stream"
"""What they answer: rows, or, of a list of outputs, what each should have been; or what people said of outputs."""
Signing: TypeAlias = Callable[[int], str]
"""Gives a measurement's signature, by the number of scored tokens of the longest text."""


@working()
def measure(
    model: Answers,
    data: Questions,
    metric: Metric | str,
    *,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    cluster: str | None = None,
    until: Until | None = None,
    **settings: Any,
) -> Measurement:
    """Measure a metric, judge nothing.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or any object with the method that the task needs: `score`,
            `score_pairs`, `pseudo_log_probs`, `generate`, `classify`. Or a list of predictions made elsewhere, one for each
            row of the data; no model is needed then. None for a metric of what people said (`mean_rating`, `win_rate`, …).
        data: texts, rows, a `datasets.Dataset` or a path; see `load_examples`. What does not fit in memory: `stream(…)`. For
            predictions also a list of targets.
        metric: its name, such as "perplexity", or the metric itself.
        task: what the model is asked to do, such as `Generate("Translate: {text}")`; None: what the metric asks for by itself.
        engine: how the model is asked; None: as the session does.
        budget: how long it may be asked, such as "5min"; None: as the session says (`--llm-budget`). See `budget`.
        cluster: the column of the rows that says which examples belong together (a book's chapters, a dialogue's turns), and are
            no proof of each other; None: the column "cluster", where there is one.
        until: says when enough of the data is seen, as `early_stop` of an assertion does; None: all of it is.
        **settings: the metric's settings, such as `stride=512`, where it is given by name.

    Returns:
        The measurement, with the statistics of every example. Inside a test it is recorded as well, so that the marker
        `llm_threshold` can judge it.

    Raises:
        MisuseError: data, model or settings that give no number; the message says which and how to mend it.
        BudgetError: the time is over before all is answered.
    """
    if isinstance(metric, str):
        metric = metric_named(metric, **settings)
    elif settings:
        raise MisuseError(f"settings {sorted(settings)} belong to a metric given by name; this one was given whole")
    if hasattr(metric, "examples_of"):
        if cluster is not None:
            raise MisuseError(f"cluster={cluster!r}: of what people said, raters or items are what belongs together")
        return _measured_of_people(metric, model, task, data)
    if (source := as_stream(data)) is not None:
        if until is not None:
            raise MisuseError(
                "early_stop takes examples in an order of its own, and a stream has but one: leave either out"
            )
        with spending(budget):
            return _measured_stream(metric, model, source, task, engine, cluster)
    predictions = as_predictions(model)
    if predictions is not None:
        if task is not None:
            raise MisuseError(f"predictions are given, so there is no model that could do the task {task!r:.60}")
        examples, given = paired(predictions, data)
        examples = clustered(examples, cluster)
        places = drawn([example.id for example in examples])
        chosen_examples, kept = tuple(examples[i] for i in places), [given[i] for i in places]
        left_out = len(examples) - len(places)
        origin = Provenance("predictions, given")
        return _measured(metric, chosen_examples, kept, metric.signature(None), describe(data), left_out, origin)
    everything = clustered(load_examples(data), cluster)
    examples = tuple(everything[i] for i in drawn([example.id for example in everything]))
    left_out = len(everything) - len(examples)
    if hasattr(metric, "refuse_too_few"):
        metric.refuse_too_few(len(examples))
    chosen = ready(_task_for(metric, task))
    if (tape := replaying()) is not None:
        metric = fit(metric, examples)
        measurement = tape.measured(metric, examples, getattr(chosen, "signature", None))
        record_measurement(measurement)
        return measurement
    language_model = as_language_model(model)  # type: ignore[arg-type]  # no predictions
    origin, made_of = provenance(language_model), partial(identity, language_model)
    watch = None if until is None else until(Subject(metric, examples, origin, made_of))
    signed, name = _signing(metric, language_model, chosen), describe(data)

    def conclude(examples: tuple[Example, ...], outputs: Sequence[Any], **rest: Any) -> Measurement:
        signature = signed(_longest(outputs))
        return _measured(metric, examples, outputs, signature, name, left_out, origin, made_of, **rest)

    told = accounting(language_model, examples, chosen, conclude, in_order=watch is None)
    with using(engine), spending(budget), told, _shown(metric, chosen, len(examples)):
        stopped = None
        if watch is None:
            outputs = answer(language_model, examples, chosen)
        else:
            seen, outputs, stopped = answer_until_decided(language_model, examples, chosen, metric, watch)
            examples = tuple(examples[place] for place in seen)
    again = partial(_asked_again, language_model, everything, metric, task, engine)
    return conclude(examples, outputs, again=again, stopped=stopped)


def _shown(metric: Metric, task: Task, count: int | None) -> AbstractContextManager[None]:
    """How far it is, for who looks; a request that is timed is alone."""
    return nullcontext() if isinstance(task, Timed | Watched) else measuring(metric.name, count)


def _asked_again(
    model: AnyModel, examples: tuple[Example, ...], metric: Metric, task: Task | None, engine: Engine | None
) -> Measurement:
    """The same measurement, anew: nothing that was said before is looked up, and nothing is reported."""
    with remembering(), afresh():
        return measure(model, examples, metric, task=task, engine=engine)


def _measured_stream(
    metric: Metric, model: Any, source: Stream, task: Task | None, engine: Engine | None, cluster: str | None
) -> Measurement:
    """As `measure`, for data of which only a batch is in memory at a time."""
    if cluster is not None:
        source = replace(source, columns=replace(source.columns, cluster=cluster))
    refuse_whole(metric)
    predictions = model if isinstance(model, Iterator) else as_predictions(model)
    chosen = None if predictions is not None else ready(_task_for(metric, task))
    if chosen is None and task is not None:
        raise MisuseError(f"predictions are given, so there is no model that could do the task {task!r:.60}")
    pairs, left_out = drawn_from(paired_stream(source, predictions), source, current_sample())
    fitted = fitted_to(metric, source, pairs)
    made_of: Callable[[], Identity] = Identity
    if chosen is None:
        done = summed(fitted, pairs, None)
        signature, origin = metric.signature(None), Provenance("predictions, given")
    elif (tape := replaying()) is not None:
        examples = StoredExamples()
        for example, _ in pairs:
            examples.append(example)
        measurement = tape.measured(fitted, examples, getattr(chosen, "signature", None))
        record_measurement(measurement)
        return measurement
    else:
        language_model = as_language_model(model)
        count = len(pairs) if isinstance(pairs, list) else None
        signed, longest = _signing(metric, language_model, chosen), 0

        def answered_once(examples: Sequence[Example]) -> Sequence[Any]:
            nonlocal longest
            outputs = _answered_once(language_model, examples, chosen)
            longest = max(longest, _longest(outputs))
            return outputs

        with using(engine), _shown(metric, chosen, count):
            done = summed(fitted, pairs, answered_once)
        signature = signed(longest)
        origin, made_of = provenance(language_model), partial(identity, language_model)
    name = describe(source.data)
    return _concluded(fitted, done, signature, name, left_out, origin, made_of)


def _answered_once(model: AnyModel, examples: Sequence[Example], task: Task) -> Sequence[Any]:
    with forgetting():
        return answer(model, examples, task)


def _signing(metric: Metric, model: Any, task: Task) -> Signing:
    """The signature, by how many tokens were scored of the longest text. What can be refused is refused now, before it is asked."""
    parts = [metric.signature(context_length(model, task))]
    if hasattr(task, "signature"):
        parts.append(task.signature)
    if not hasattr(model, "signature_of"):
        return lambda _: "|".join(parts)
    model.signature_of(task, metric.counts)
    # what a server does in its own way
    return lambda longest: "|".join([*parts, model.signature_of(task, metric.counts, longest)])


def _longest(outputs: Sequence[Any]) -> int:
    return max((len(output) for output in outputs if isinstance(output, np.ndarray) and output.ndim), default=0)


def _task_for(metric: Metric, task: Task | None) -> Task:
    if metric.task is None:
        raise MisuseError(
            f"{metric.name} has no task that a model could be asked to do: give the list of outputs in place of the model"
        )
    if task is None:
        return metric.task
    if isinstance(metric.task, Timed | Watched) and isinstance(task, Generate):
        return replace(metric.task, generate=task)
    if type(task) is not type(metric.task):
        raise MisuseError(
            f"{metric.name} is measured on what the task {type(metric.task).__name__} gives, not {type(task).__name__}"
        )
    return task


def _measured_of_people(metric: Any, model: Any, task: Task | None, data: Any) -> Measurement:
    """Metrics of what people said: the data hold both the questions and the answers."""
    if model is not None or task is not None:
        raise MisuseError(
            f"{metric.name} is about what people said, so no model is asked: measure(None, ratings, {metric.name!r}, …)"
        )
    everything = metric.examples_of(data)
    examples = tuple(everything[i] for i in drawn([example.id for example in everything]))
    metric = fit(metric, examples)
    outputs = [example.target for example in examples]
    left_out = len(everything) - len(examples)
    origin = Provenance("people, not a model")
    return _measured(metric, examples, outputs, metric.signature(None), describe(data), left_out, origin)


def _measured(
    metric: Metric,
    examples: tuple[Example, ...],
    outputs: Sequence[Any],
    signature: str,
    data: str,
    left_out: int,
    origin: Provenance,
    made_of: Callable[[], Identity] = Identity,
    again: Callable[[], Measurement] | None = None,
    stopped: Stopped | None = None,
) -> Measurement:
    metric = fit(metric, examples)
    statistics = np.array([metric.statistics(*pair) for pair in zip(examples, outputs, strict=True)], dtype=np.float64)
    done = Counted(examples, tuple(outputs), statistics, value_of_each(metric)(statistics))
    return _concluded(metric, done, signature, data, left_out, origin, made_of, again, stopped)


def _concluded(
    metric: Metric,
    done: Counted,
    signature: str,
    data: str,
    left_out: int,
    origin: Provenance,
    made_of: Callable[[], Identity],
    again: Callable[[], Measurement] | None = None,
    stopped: Stopped | None = None,
) -> Measurement:
    """From the statistics of all examples to the measurement."""
    examples, outputs = done.examples, done.outputs
    totals = sum_of(done.statistics)
    if hasattr(metric, "summary"):  # a quantile or a maximum of the examples' values, which is no function of sums
        aggregate = None
        value, estimate = metric.summary(whole(done.values))
    elif hasattr(metric, "pooled"):  # a quantile over the tokens of all examples, which is no function of theirs either
        aggregate = None
        value, estimate = metric.pooled(outputs, [example.unit for example in examples])
    else:
        aggregate = metric.aggregate
        # long documents are drawn first, which a jackknife over those that were seen knows nothing of
        estimate = None if stopped else estimate_of(metric, examples, done.statistics)
        value = float(metric.aggregate(totals))
    wording = {name: getattr(metric, name) for name in ("remedy", "without_interval", "row") if hasattr(metric, name)}
    measurement = Measurement(
        metric=metric.name,
        value=value,
        lower_is_better=metric.lower_is_better,
        estimate=estimate,
        examples=examples,
        statistics=whole(done.statistics),
        example_values=whole(done.values),
        counts=metric.counts,
        signature=signature,
        data=described_part(data, len(examples), left_out),
        provenance=origin,
        outputs=outputs if _can_be_shown(outputs) else None,
        overview=_overview(metric, outputs, totals),
        explain=getattr(metric, "explain", None),
        aggregate=aggregate,
        value_of_each=value_of_each(metric),
        scale=metric.scale,
        identity=made_of,
        again=again,
        left_out=left_out,
        settings=settings_of(metric),
        stopped=stopped,
        **wording,
    )
    if (tape := replaying()) is not None:  # outputs were given, so that no model was needed to measure them
        tape.confirm(measurement)
    record_measurement(measurement)
    return measurement


def _overview(metric: Metric, outputs: Sequence[Any], totals: FloatArray) -> str:
    """What the metric has to say of the whole: of all outputs, or of the sums."""
    if hasattr(metric, "explain_outputs"):
        return str(metric.explain_outputs(outputs))
    return str(metric.explain_total(totals)) if hasattr(metric, "explain_total") else ""


def _can_be_shown(outputs: Sequence[Any]) -> bool:
    """Whether outputs say something to a reader; arrays of log-probabilities do not."""
    return all(output is None or isinstance(output, str | int | dict | ChoiceScores) for output in outputs)
