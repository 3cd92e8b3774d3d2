"""From the answers in a log to a baseline: our metric judges each again, and has to find what the harness found.

That is how a metric of the same name is known to be the same: by every example of the file, not by its name. What a log does not
say (prompt settings, dtype, tokenizer) is left out of the baseline, so that a comparison says that it was not checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_llm.baselines.baseline import Baseline, imported_from
from pytest_llm.baselines.importing.log import Answer, Log
from pytest_llm.data.example import Example
from pytest_llm.data.loading import Columns, load_examples
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError, about
from pytest_llm.metrics import metric_named
from pytest_llm.metrics.metric import Metric, estimate_of
from pytest_llm.metrics.settings import settings_of
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.prompt import Prompt


def as_baseline(log: Log, name: str, metric_name: str | None, columns: Columns) -> Baseline:
    """One metric of a log.

    Args:
        log: what was read.
        name: how reports call the data.
        metric_name: which metric; None: the only one.
        columns: where the rows that the harness read hold text, id, target and cluster.

    Raises:
        MisuseError: not one metric of ours, rows without a text, or a score that our metric of that name does not give.
    """
    with about(name):
        return _baseline(log, name, _chosen(log, metric_name), columns)


def _baseline(log: Log, name: str, metric_name: str, columns: Columns) -> Baseline:
    metric, answers = metric_named(metric_name), log.answers[metric_name]
    examples = _examples(answers, columns)
    statistics = np.array([metric.statistics(*pair) for pair in zip(examples, _outputs(answers), strict=True)])
    _refuse_another_definition(metric, statistics, answers, log)
    value = float(metric.aggregate(statistics.sum(axis=0)))
    if not (math.isfinite(value) and np.isfinite(statistics).all()):
        raise MisuseError(f"{metric_name} is {value:g} there: what is not finite is no baseline")
    estimate = estimate_of(metric, examples, statistics)
    interval = None if estimate is None else estimate.interval()
    return Baseline(
        metric_name,
        value,
        None if interval is None else (interval.low, interval.high),
        metric.counts,
        "|".join([*_settings(metric, examples, answers), imported_from(log.source)]),
        name,
        Provenance(log.model or "a model that the log does not name", log.dtype, log.device),
        Identity(),
        {"date": log.date} if log.date else {},
        tuple(example.id for example in examples),
        tuple(example.content for example in examples),
        statistics,
        tuple(example.unit for example in examples) if any(example.cluster is not None for example in examples) else (),
        settings_of(metric),
    )


def _chosen(log: Log, name: str | None) -> str:
    there = ", ".join(log.answers) or "none"
    more = f"; it also has {', '.join(log.other)}, which are no metrics of ours" if log.other else ""
    if name is None and len(log.answers) == 1:
        return next(iter(log.answers))
    if name is None or name not in log.answers:
        asked = f"has no {name!r} that could be imported" if name else "has not one metric: choose one"
        raise MisuseError(f"the log ({log.source}) {asked}. It has: {there}{more}")
    return name


def _examples(answers: Sequence[Answer], columns: Columns) -> tuple[Example, ...]:
    """The examples as `load_examples` makes them of the same rows, so that they are known by the same ids and contents."""
    return load_examples([_row(answer, columns) for answer in answers], columns=columns)


def _row(answer: Answer, columns: Columns) -> Mapping[str, Any]:
    row = dict(answer.row)
    if answer.text is not None:
        row[columns.text] = answer.text
    if columns.text not in row:
        raise MisuseError(
            f"{answer.name}: the row that the harness read has no column {columns.text!r}, only {', '.join(map(str, row))}; "
            f"say which holds the text that your tests measure (--text COLUMN)"
        )
    if row.get(columns.target) is None and answer.target is not None:
        row[columns.target] = answer.target
    elif answer.target is not None and str(row[columns.target]) != str(answer.target):
        raise MisuseError(
            f"{answer.name}: the harness compared with {answer.target!r:.60}, but the row's column {columns.target!r} holds "
            f"{row[columns.target]!r:.60}; say which column holds the target that your tests compare with (--target COLUMN)"
        )
    return row


def _outputs(answers: Sequence[Answer]) -> list[Any]:
    return [answer.output for answer in answers]


def _refuse_another_definition(metric: Metric, statistics: FloatArray, answers: Sequence[Answer], log: Log) -> None:
    of_each = metric.aggregate(statistics)
    for answer, ours in zip(answers, of_each.tolist(), strict=True):
        if answer.score is not None and not abs(ours - answer.score) <= log.rounding * max(1.0, abs(answer.score)):
            raise MisuseError(
                f"{answer.name}: {metric.name} is {answer.score:.6g} there and {ours:.6g} by our definition of the same answer "
                f"({metric.signature(None)}): the task has a definition of its own, and cannot be compared"
            )


def _settings(metric: Metric, examples: Sequence[Example], answers: Sequence[Answer]) -> list[str]:
    """What is known of the settings, as our own signatures write it, and of the prompt also what it is not.

    Only what the file shows is claimed: the metric's own settings, which every example has just confirmed, and the prompt of
    our default task, if all prompts of the file are what it makes of the rows.
    """
    if (
        answers[0].text is not None and answers[0].prompt is None
    ):  # a text's surprise: windows and BOS are the harness's
        return [metric.name]
    known, prompt = metric.signature(None).split("|"), getattr(metric.task, "prompt", None)
    if not isinstance(prompt, Prompt) or any(answer.prompt is None for answer in answers):
        return known
    parts = prompt.signature.split("|")
    same = all(answer.prompt == prompt.text(example) for answer, example in zip(answers, examples, strict=True))
    return [*known, *(parts if same else [f"not:{parts[0]}"])]
