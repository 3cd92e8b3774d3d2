"""Limits that stand on tests: how they are read, which of them holds, and that what they name was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.inference.measure import measure
from pytest_llm.judging.verdict import Outcome
from pytest_llm.limit import Limit
from pytest_llm.recording import Recorder, recording
from pytest_llm.thresholds import (
    NO_FILE,
    Threshold,
    ThresholdFile,
    Thresholds,
    check,
    containers,
    parse_limits,
    thresholds_of,
)
from tests.stub_models import UniformModel

TEST = "tests/test_a.py::TestB::test_c[d-1]"


def mark(suite: str | None = None, **limits: float) -> Thresholds:
    return Thresholds(suite, parse_limits(limits, "a marker"))


def file(**tables: dict[str, float]) -> ThresholdFile:
    return ThresholdFile("limits.toml", {key: parse_limits(limits, f"[{key}]") for key, limits in tables.items()})


def read(folder: Path, content: str) -> ThresholdFile:
    path = folder / "limits.toml"
    path.write_text(content, encoding="utf-8")
    return ThresholdFile.read(path)


def measured(*sizes: int, metric: str = "perplexity") -> Recorder:
    with recording() as recorder:
        for size in sizes:
            measure(UniformModel(size), ["some text"], metric)
    return recorder


def values(node_id: str, marks: list[Thresholds], limits: ThresholdFile = NO_FILE) -> dict[str, float]:
    return {metric: threshold.limit.value for metric, threshold in thresholds_of(node_id, marks, limits).items()}


def test_limits_are_keyed_by_metric_and_know_where_they_stand() -> None:
    assert parse_limits({"perplexity_below": 25, "bits_per_byte_below": 1.5}, "the marker") == {
        "perplexity": Threshold("perplexity", Limit("below", 25.0, origin="perplexity_below in the marker")),
        "bits_per_byte": Threshold("bits_per_byte", Limit("below", 1.5, origin="bits_per_byte_below in the marker")),
    }


@pytest.mark.parametrize("keyword", ["perplexity", "perplexity_above", "ppl_below"])
def test_an_unknown_keyword_is_refused_with_those_like_it(keyword: str) -> None:
    with pytest.raises(MisuseError, match=f"unknown limit '{keyword}'; did you mean .*perplexity_below"):
        parse_limits({keyword: 25}, "the marker")


def test_a_keyword_like_none_is_refused_with_all_there_are() -> None:
    with pytest.raises(MisuseError, match="unknown limit ''; there are: perplexity_below, word_perplexity_below, "):
        parse_limits({"": 25}, "the marker")


@pytest.mark.parametrize(
    "value", ["25", True, None, math.nan, math.inf, -math.inf, [25], pytest.param(10**400, id="10**400")]
)
def test_a_limit_that_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(MisuseError, match=r"perplexity_below: limit .*: expected a finite number"):
        parse_limits({"perplexity_below": value}, "the marker")


def test_a_file_has_one_table_per_suite_or_test_id(tmp_path: Path) -> None:
    found = read(tmp_path, '[nightly]\nperplexity_below = 20\n["tests/test_a.py::test_b"]\nbits_per_byte_below = 1.5\n')
    assert found.name == "limits.toml"
    assert found.tables["nightly"]["perplexity"].limit.value == 20
    assert found.tables["nightly"]["perplexity"].limit.origin == "perplexity_below in [nightly] of limits.toml"
    assert list(found.test_ids()) == ["tests/test_a.py::test_b"]


def test_a_module_is_a_test_id_too(tmp_path: Path) -> None:
    assert list(read(tmp_path, '["tests/test_a.py"]\nbleu_above = 1\n[suite]\nbleu_above = 1\n').test_ids()) == [
        "tests/test_a.py"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("perplexity_below = ", "llm_thresholds: cannot read .*limits.toml: "),
        (
            "perplexity_below = 25",
            r'limits.toml: perplexity_below = 25 is not in a table; write \["perplexity_below"\]',
        ),
        ("[a]\n", r"limits.toml: \[a\] holds no limit, so that it gates nothing"),
        (
            "[a]\naccuracy_above = -0.9",
            r"accuracy_above = -0.9: accuracy is never below 0, so that this limit could not",
        ),
        ("a = " + "[" * 100_000, "cannot read .*limits.toml"),
        ("[a]\nperplexity_below = 25 #" + "x" * 2**20, r"it has [\d,]+ bytes; 1,048,576 are accepted"),
        ("[a]\nperplexity = 25", r"limits.toml: \[a\]: unknown limit 'perplexity'"),
        ("[a.b]\nperplexity_below = 25", r"limits.toml: \[a\]: unknown limit 'b'"),
        (
            "[a]\nperplexity_below = nan",
            r"limits.toml: \[a\]: perplexity_below: limit nan \(float\): expected a finite number",
        ),
        (
            "[a]\nperplexity_below = true",
            r"limits.toml: \[a\]: perplexity_below: limit True \(bool\): expected a finite number",
        ),
        (
            "[a]\nperplexity_below = '25'",
            r"limits.toml: \[a\]: perplexity_below: limit '25' \(str\): expected a finite number",
        ),
        ("[a]\n[a]", "cannot read"),
    ],
)
def test_a_file_that_is_not_tables_of_limits_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"llm_thresholds: cannot read .*gone\.toml"):
        ThresholdFile.read(tmp_path / "gone.toml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(MisuseError, match=r"llm_thresholds: cannot read .*limits\.toml: .*utf-8"):
        ThresholdFile.read(tmp_path / "limits.toml")


@pytest.mark.parametrize(
    ("node_id", "keys"),
    [
        ("t.py", ["t.py"]),
        ("t.py::test_c", ["t.py", "t.py::test_c"]),
        (TEST, [TEST[:15], TEST[:22], "tests/test_a.py::TestB::test_c", TEST]),
        ("t.py::test_c[a::b[0]]", ["t.py", "t.py::test_c", "t.py::test_c[a::b[0]]"]),
    ],
)
def test_a_test_is_contained_in_its_module_class_and_function(node_id: str, keys: list[str]) -> None:
    assert list(containers(node_id)) == keys


def test_the_nearest_marker_wins_for_each_metric() -> None:
    module, function = mark(perplexity_below=30, bits_per_byte_below=2), mark(perplexity_below=20)
    assert values(TEST, [module, function]) == {"perplexity": 20, "bits_per_byte": 2}


def test_the_nearest_table_wins_and_any_table_wins_over_markers() -> None:
    names = ["tests/test_a.py", "tests/test_a.py::TestB", "tests/test_a.py::TestB::test_c", TEST]
    won = []
    for depth in range(len(names) + 1):
        tables = {name: {"perplexity_below": float(limit)} for limit, name in enumerate(names[:depth])}
        won.append(values(TEST, [mark(perplexity_below=99)], file(**tables))["perplexity"])
    assert won == [99, 0, 1, 2, 3]


def test_tables_of_other_tests_do_not_hold() -> None:
    others = ["tests/test_a.py::TestB::test", "tests/test_a.py::TestB::test_c[d-2]", "suite", "test_a.py"]
    assert values(TEST, [], file(**{other: {"perplexity_below": 1.0} for other in others})) == {}


def test_a_suite_replaces_the_limits_of_its_marker() -> None:
    limits = file(nightly={"perplexity_below": 20})
    marks = [mark("nightly", perplexity_below=30, bits_per_byte_below=2)]
    assert values(TEST, marks, limits) == {"perplexity": 20, "bits_per_byte": 2}


def test_a_nearer_marker_wins_over_a_suite() -> None:
    limits = file(nightly={"perplexity_below": 20})
    assert values(TEST, [mark("nightly"), mark(perplexity_below=10)], limits) == {"perplexity": 10}


def test_an_unknown_suite_is_refused_with_those_there_are() -> None:
    with pytest.raises(MisuseError, match=r"the suite 'nightly', but limits\.toml has only: weekly, daily"):
        thresholds_of(TEST, [mark("nightly")], file(weekly={}, daily={}))


def test_a_suite_without_a_file_is_refused() -> None:
    with pytest.raises(MisuseError, match="the suite 'nightly', but the ini key llm_thresholds is not set"):
        thresholds_of(TEST, [mark("nightly")], NO_FILE)


def test_every_measurement_of_the_metric_is_judged() -> None:
    verdicts = list(check(mark(perplexity_below=25).limits, measured(24, 26)))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASSED, Outcome.FAILED]
    assert "perplexity_below in a marker is the place to say so" in str(verdicts[1])


def test_measurements_of_other_metrics_are_not_judged() -> None:
    recorder = measured(2)
    recorder.measurements += measured(26, metric="byte_perplexity").measurements
    assert [verdict.passed for verdict in check(mark(perplexity_below=25).limits, recorder)] == [True]


@pytest.mark.parametrize(
    ("sizes", "found"), [([], "it measured nothing"), ([2, 3], "it measured only byte_perplexity")]
)
def test_a_limit_whose_metric_was_not_measured_is_a_misuse(sizes: list[int], found: str) -> None:
    message = rf"never checked: perplexity_below=25; .* did not measure perplexity \({found}\); measure it there"
    with pytest.raises(MisuseError, match=message):
        list(check(mark(perplexity_below=25).limits, measured(*sizes, metric="byte_perplexity")))


def test_what_was_measured_is_judged_before_what_was_not_is_missed() -> None:
    judging = check(mark(word_perplexity_below=1, bits_per_byte_below=1, perplexity_below=25).limits, measured(26))
    assert next(judging).outcome is Outcome.FAILED
    with pytest.raises(MisuseError, match=r"never checked: word_perplexity_below=1, bits_per_byte_below=1;"):
        next(judging)
