"""A stream gives the measurement of a list, in little memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm import Choose, MisuseError, QualityError, assert_bleu_above, embedded, judge, measure, stream
from pytest_llm.data.example import Example
from pytest_llm.data.sampling import Sample, sampling
from pytest_llm.inference import in_batches
from pytest_llm.inference.memo import remembering
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.models.transformers_model import TransformersModel

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "Paris",
    "in",
    "the",
    "rain",
    "while",
    "it",
    "ran",
    "to",
    "that",
    "house",
    "of",
    "glass",
]


def pairs(count: int) -> Iterator[tuple[str, str]]:
    generator = random.Random(1)
    for number in range(count):
        reference = [str(number), *generator.choices(WORDS, k=20)]
        output = list(reference)
        output[generator.randrange(21)] = "wrong"
        yield " ".join(output), " ".join(reference)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_batches, "BATCH", 16)


def assert_same(found: Measurement, expected: Measurement) -> None:
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert found.signature == expected.signature
    assert [(e.id, e.label, e.unit, e.content) for e in found.examples] == [
        (e.id, e.label, e.unit, e.content) for e in expected.examples
    ]
    np.testing.assert_allclose(found.statistics, expected.statistics, rtol=1e-5)
    assert found.worst_places() == expected.worst_places()
    # all of a report, but for where the data are from
    limit = Limit.above(1e9) if not found.lower_is_better else Limit.below(-1e9)
    ours, theirs = (str(judge(m, limit)).replace("a list_iterator", "a list") for m in (found, expected))
    assert ours == theirs


ROWS = [{"id": f"r{i}", "text": output, "target": reference} for i, (output, reference) in enumerate(pairs(50))]
OUTPUTS = [row["text"] for row in ROWS]


@pytest.mark.parametrize("metric", ["bleu", "chrf_plus_plus", "wer", "rougeL", "ter", "squad_f1"])
def test_given_outputs_give_the_measurement_of_a_list(metric: str) -> None:
    assert_same(measure(iter(OUTPUTS), stream(iter(ROWS)), metric), measure(OUTPUTS, ROWS, metric))
    assert_same(measure(OUTPUTS, stream(ROWS), metric), measure(OUTPUTS, ROWS, metric))


def test_a_model_gives_the_measurement_of_a_list(tiny: TransformersModel) -> None:
    path = embedded("data/held_out.jsonl")
    for column in (None, "id"):
        found, expected = (measure(tiny, data, "perplexity", cluster=column) for data in (stream(path), path))
        assert_same(found, expected)


def test_a_part_is_the_part_of_a_list() -> None:
    with sampling(Sample(0.2)):
        assert_same(measure(OUTPUTS, stream(ROWS), "bleu"), measure(OUTPUTS, ROWS, "bleu"))


def test_targets_are_read_first_where_a_metric_needs_all_of_them() -> None:
    rows = [{"id": str(i), "text": "t", "target": "abc"[i % 3]} for i in range(50)]
    labels = ["abca"[i % 4] for i in range(50)]
    assert_same(measure(labels, stream(rows), "f1"), measure(labels, rows, "f1"))
    with pytest.raises(
        MisuseError, match="f1 reads all targets before it counts, and these data can be read only once"
    ):
        measure(labels, stream(iter(rows)), "f1")


@pytest.mark.parametrize("metric", ["latency_p50", "median_kld", "peak_host_memory"])
def test_metrics_that_take_all_outputs_at_once_are_refused(metric: str, tiny: TransformersModel) -> None:
    settings: dict[str, Any] = {"reference": tiny} if metric == "median_kld" else {}
    with pytest.raises(MisuseError, match=f"{metric} takes all outputs at once"):
        measure(tiny, stream(ROWS), metric, **settings)


def test_predictions_leave_no_task() -> None:
    with pytest.raises(MisuseError, match="there is no model that could do the task"):
        measure(OUTPUTS, stream(ROWS), "bleu", task=Choose())


def test_the_worst_are_shown_whole() -> None:
    outputs = [*OUTPUTS[:30], "nothing at all", *OUTPUTS[31:]]
    with pytest.raises(QualityError, match=r"worst +0  r30  'nothing at all', wanted '30 "):
        assert_bleu_above(outputs, stream(ROWS), 99)


class Unigram:
    def fingerprint(self) -> str:
        return "unigram"

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        return [[-1.0 - len(word) for word in text.split()] for text in texts]


class Growing(Perplexity):
    """Has one statistic more of some examples."""

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        return (*super().statistics(example, output), *[1.0] * (example.label >= "#3"))


def test_statistics_of_another_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_batches, "BATCH", 3)
    texts = (f"some words {number}" for number in range(9))
    with pytest.raises(ValueError, match="perplexity has 3 statistics of an example, and 2 of one before"):
        measure(Unigram(), stream(texts), Growing("token"))


def peak(work: Callable[[], object]) -> int:
    """Bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_texts_are_dropped_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 texts of 20 000 characters each: 6 MB, and as much again in log-probabilities."""
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        file.writelines(f'{{"text": "{number} {"some words " * 1800}"}}\n' for number in range(300))
    with remembering():
        used = peak(lambda: measure(Unigram(), stream(path), "perplexity"))
    assert used < 5e6
    monkeypatch.setattr(in_batches, "BATCH", 300)
    with remembering():
        assert peak(lambda: measure(Unigram(), stream(path), "perplexity")) > 8e6


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["bleu", "wer"])
def test_200_000_pairs_take_little_memory(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a stream, of which not even the data are in memory."""
    monkeypatch.setattr(in_batches, "BATCH", 1024)

    def measured(count: int) -> Measurement:
        rows = ({"text": "t", "id": number, "target": wanted} for number, (_, wanted) in enumerate(pairs(count)))
        return measure((output for output, _ in pairs(count)), stream(rows), metric)

    measured(9)
    assert peak(lambda: measured(200_000)) < 2**30 / 4
