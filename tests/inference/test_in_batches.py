"""A stream gives the measurement of a list, in little memory."""

from __future__ import annotations

import random
import resource
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import (
    Choose,
    MisuseError,
    QualityError,
    assert_bleu_above,
    assert_perplexity_below,
    embedded,
    judge,
    measure,
    stream,
)
from pytest_llm.data import seen_ids, stored_examples
from pytest_llm.data.example import Example
from pytest_llm.data.sampling import Sample, sampling
from pytest_llm.inference import in_batches
from pytest_llm.inference.cache import cache_at
from pytest_llm.inference.in_batches import FewOutputs
from pytest_llm.inference.memo import remembering
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import Estimate
from pytest_llm.storage import growing_array

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
    asked = 0

    def fingerprint(self) -> str:
        return "unigram"

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += len(texts)
        return [[-1.0 - len(word) for word in text.split()] for text in texts]


class OnDisk(Unigram):
    """What it says is kept in the cache."""

    def cache_key(self) -> str:
        return "unigram"


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


def test_what_is_kept_does_not_grow_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took some 60 bytes an example."""
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 1000)
    for module in (growing_array, seen_ids):
        monkeypatch.setattr(module, "AT_ONCE", 64)
    monkeypatch.setattr(seen_ids, "RECENT", 64)
    monkeypatch.setattr(stored_examples, "_PER_BLOCK", 64)

    def measured(count: int) -> Measurement:
        return measure(Unigram(), stream(f"{place} words" for place in range(count)), "perplexity")

    with remembering():
        measured(1024)
        few, many = peak(lambda: measured(512)), peak(lambda: measured(3 * 512))
    assert many - few < 8 * 2 * 512


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


@given(
    st.lists(st.text("ab cd", min_size=1).filter(str.strip), min_size=1, max_size=60, unique=True),
    st.none() | st.lists(st.sampled_from("xyz"), min_size=60, max_size=60),
    st.integers(1, 20),
    st.integers(1, 70),
)
def test_where_it_lies_changes_no_bit(texts: list[str], clusters: list[str] | None, batch: int, at_once: int) -> None:
    """Nor how much of it is looked at at once, but for the last digits of sums."""
    rows = [{"text": text} | ({} if clusters is None else {"cluster": clusters[i]}) for i, text in enumerate(texts)]
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_batches, "BATCH", batch)
        patch.setattr(stored_examples, "_PER_BLOCK", 8)
        patch.setattr(seen_ids, "RECENT", 4)
        patch.setattr(growing_array, "AT_ONCE", at_once)
        for most_in_memory in (growing_array.MOST_IN_MEMORY, 0, 100):
            patch.setattr(growing_array, "MOST_IN_MEMORY", most_in_memory)
            m = measure(Unigram(), stream(rows), "perplexity")
            kept = [(e.id, e.label, e.unit, e.content, e.text) for e in m.examples]
            said = str(judge(m, Limit.below(1)))
            arrays = m.statistics.tobytes(), m.example_values.tobytes()
            found.append((m.value, m.estimate, kept, said, m.worst_places(), m.statistics.shape, *arrays))
    assert found[1:] == found[:1] * 2
    listed = measure(Unigram(), rows, "perplexity")
    value, estimate, _, _, worst, _, statistics, values = found[0]
    assert worst == listed.worst_places()
    assert (statistics, values) == (listed.statistics.tobytes(), listed.example_values.tobytes())
    assert value == pytest.approx(listed.value, rel=1e-12)
    assert (estimate is None) == (listed.estimate is None)
    if isinstance(estimate, Estimate) and isinstance(listed.estimate, Estimate):
        numbers = [(e.standard_error, e.degrees_of_freedom, e.units) for e in (estimate, listed.estimate)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-9, abs=1e-12)


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 1000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # which a write meets as it meets a full disk
    try:
        with pytest.raises(
            MisuseError, match=f"in {tmp_path}: File too large .*; make room there, or let TMPDIR name a folder"
        ):
            assert_perplexity_below(Unigram(), stream(f"{place} words" for place in range(500)), 1e9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("bad", ["", "30 words"])
def test_what_was_answered_before_bad_data_is_in_the_cache(
    bad: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 0)
    texts = [f"{place} words" for place in range(50)]

    def remembering_on_disk() -> AbstractContextManager[object]:
        return remembering(lambda: cache_at(str(tmp_path / "answers"), tmp_path, None, 10**7))

    first, again = OnDisk(), OnDisk()
    refused = pytest.raises(MisuseError, match=r"example #50 is empty|examples #30 and #50 have the same id or text")
    with remembering_on_disk(), refused:
        measure(first, stream([*texts, bad, *(f"{place} more" for place in range(1024))]), "perplexity")
    assert first.asked >= 48  # three batches of 16
    with remembering_on_disk():
        found = measure(again, stream(texts), "perplexity")
    assert again.asked <= 2
    assert_same(found, measure(OnDisk(), texts, "perplexity"))


@given(st.integers(0, 9), st.dictionaries(st.integers(0, 8), st.text()), st.integers(-10, 10), st.integers(-10, 10))
def test_a_few_outputs_are_a_list_of_none_but_for_them(count: int, kept: dict[int, str], first: int, end: int) -> None:
    few = FewOutputs(count, kept)
    expected = tuple(kept.get(place) for place in range(count))
    assert (len(few), tuple(few), few[first:end]) == (count, expected, expected[first:end])
    if -count <= first < count:
        assert few[first] == expected[first]
    else:
        with pytest.raises(IndexError):
            few[first]


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
