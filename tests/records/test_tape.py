"""What was recorded is handed out to the test that measures the same, and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.measure import measure
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.bleu import Bleu
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.run_record import TestResult, read_record, record_text
from pytest_llm.records.tape import RecordedTape
from pytest_llm.stopping.watch import Stopped
from pytest_llm.storage.numbers import encoded
from pytest_llm.tasks.generate import Generate
from tests.stub_models import TableModel, Writer

ROWS = [{"id": f"d{n}", "text": "x" * n, "target": "a b c d e"} for n in range(1, 6)]
EXAMPLES = tuple(Example(row["id"], row["text"], row["id"], target=row["target"]) for row in ROWS)


def perplexity() -> Measurement:
    return measure(TableModel({row["text"]: [-len(row["text"])] * 3 for row in ROWS}), ROWS, "perplexity")


def bleu(task: Generate) -> Measurement:
    return measure(Writer({row["text"]: f"a b c d {row['id']}" for row in ROWS}), ROWS, "bleu", task=task)


def tape(folder: Path, *measured: Measurement) -> RecordedTape:
    lines = [encoded(measurement_as_data(m)) for m in measured]
    path = folder / "run.json"
    path.write_text(record_text({"date": "2026-11-25"}, [TestResult("test_it", "passed", lines)]), encoding="utf-8")
    return RecordedTape(read_record(path), "test_it")


def same(one: Measurement, other: Measurement) -> bool:
    return one.value == other.value and one.statistics.tobytes() == other.statistics.tobytes()


def test_the_measurement_comes_with_todays_examples_and_metric(tmp_path: Path) -> None:
    m = perplexity()
    again = tape(tmp_path, m).measured(Perplexity(), EXAMPLES, None)
    assert same(again, m)
    assert again.examples == EXAMPLES
    assert again.recorded == {"date": "2026-11-25"}
    assert again.aggregate is not None
    assert float(again.aggregate(again.statistics.sum(axis=0))) == m.value


def test_rows_follow_the_order_of_todays_examples(tmp_path: Path) -> None:
    m = bleu(Generate())
    order = [3, 0, 4, 1, 2]
    again = tape(tmp_path, m).measured(Bleu(), [EXAMPLES[place] for place in order], Generate().signature)
    assert again.statistics.tolist() == m.statistics[order].tolist()
    assert again.example_values.tolist() == m.example_values[order].tolist()
    assert again.outputs == tuple(f"a b c d d{place + 1}" for place in order)


def edited(place: int, **changes: Any) -> Sequence[Example]:
    return [replace(example, **changes) if row == place else example for row, example in enumerate(EXAMPLES)]


@pytest.mark.parametrize(
    ("examples", "complaint"),
    [
        (edited(1, text="y"), "data: 1 example changed: d2$"),
        (edited(1, target="another"), "data: 1 example changed: d2$"),
        (edited(1, cluster="book"), "data: 1 example in another cluster: d2$"),
        (
            edited(1, id="e2", label="e2"),
            "data: 1 example not in the record: e2; data: 1 example only in the record: d2$",
        ),
        (EXAMPLES[1:], "data: 1 example only in the record: d1$"),
        ([replace(example, text="y") for example in EXAMPLES], r"data: 5 examples changed: d1, d2, d3, …$"),
    ],
)
def test_other_data_are_refused_by_name(tmp_path: Path, examples: Sequence[Example], complaint: str) -> None:
    with pytest.raises(MisuseError, match=r"perplexity of test_it is not in run\.json") as refused:
        tape(tmp_path, perplexity()).measured(Perplexity(), examples, None)
    assert refused.match(complaint.replace("$", "; run the test with its model, with --llm-json$"))


def test_another_task_and_other_settings_are_refused(tmp_path: Path) -> None:
    m = bleu(Generate())
    with pytest.raises(
        MisuseError, match=r"task: bleu\|.*\|task:generate.* was recorded, this is task:generate.*max_tokens:5"
    ):
        tape(tmp_path, m).measured(Bleu(), EXAMPLES, Generate(max_tokens=5).signature)
    with pytest.raises(MisuseError, match=r"settings: none were recorded, these are \{'lowercase': True\}"):
        tape(tmp_path, m).measured(Bleu(lowercase=True), EXAMPLES, Generate().signature)


def test_what_stopped_early_is_refused_with_where_it_stopped_and_what_to_do(tmp_path: Path) -> None:
    """Not as data that have changed: what it was not asked about is no part of its record."""
    stopped = Stopped("passes", None, evaluated=3, units=5, share=0.4, low=1.0, high=2.0)
    with pytest.raises(MisuseError) as refused:
        tape(tmp_path, replace(perplexity(), stopped=stopped)).measured(Perplexity(), EXAMPLES, None)
    message = str(refused.value)
    assert "as this test measures it: it stopped early, after 3 of 5 documents (40 % of their length)" in message
    assert "record it with --llm-stop=off, or without early_stop" in message
    assert "not in the record" not in message


def test_each_is_handed_out_once_in_order(tmp_path: Path) -> None:
    first = perplexity()
    second = replace(first, value=first.value, example_values=first.example_values + 1)
    played = tape(tmp_path, first, second)
    for m in (first, second):
        assert played.measured(Perplexity(), EXAMPLES, None).example_values.tolist() == m.example_values.tolist()
    with pytest.raises(MisuseError, match="the test measured perplexity when it was recorded, and no more of it"):
        played.measured(Perplexity(), EXAMPLES, None)


def test_a_value_that_its_statistics_do_not_make_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        MisuseError, match=r"run\.json .* says that perplexity of test_it is 3, and its statistics make 20\.09"
    ):
        tape(tmp_path, replace(perplexity(), value=3.0)).measured(Perplexity(), EXAMPLES, None)


def test_given_outputs_are_confirmed_once_and_only_if_they_are_the_same(tmp_path: Path) -> None:
    m = measure(["a b c d e"] * 5, ROWS, "bleu")
    other = replace(m, statistics=np.where(np.arange(5)[:, None] == 2, 0, m.statistics))
    played = tape(tmp_path, m)
    with pytest.raises(MisuseError, match="outputs: those that are given are not those that were recorded"):
        played.confirm(other)
    played.confirm(m)
    with pytest.raises(MisuseError, match="and no more of it"):
        played.confirm(m)


def test_it_says_where_the_model_was(tmp_path: Path) -> None:
    m = perplexity()
    assert tape(tmp_path, replace(m, provenance=replace(m.provenance, device="mps"))).device() == "mps"
    assert tape(tmp_path).device() == "cpu"
