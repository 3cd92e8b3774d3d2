"""What `assert_no_regression` takes, outside pytest and with any metric."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import MisuseError, Outcome, QualityError, assert_no_regression
from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.files import write
from pytest_llm.inference.measure import measure
from pytest_llm.recording import recording
from tests.stub_models import UniformModel

TEXTS = [{"id": str(n), "text": "a" * n} for n in range(3, 43)]
RIGHT = ["a"] * 40
ROWS = [{"id": str(n), "text": str(n), "target": "a"} for n in range(40)]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The baseline of a model with perplexity 8."""
    path = tmp_path / "release.json"
    measured = measure(UniformModel(8), TEXTS, "perplexity")
    write(path, as_baseline(measured, measured.identity(), {"date": "2026-11-24"}))
    return path


def test_a_baseline_can_be_given_as_a_path(recorded: Path) -> None:
    assert assert_no_regression(UniformModel(8), TEXTS, baseline=recorded).value == pytest.approx(8)
    with pytest.raises(
        QualityError, match=r"perplexity 8.5 is 6.25 % worse than baseline 'release.json' \(8\)"
    ) as caught:
        assert_no_regression(UniformModel(8.5), TEXTS, baseline=recorded)
    assert caught.value.verdict.outcome is Outcome.REGRESSED


def test_a_reference_is_measured_now() -> None:
    assert_no_regression(UniformModel(8), TEXTS, reference=UniformModel(8))
    with pytest.raises(QualityError, match=r"6.25 % worse than the reference uniform"):
        assert_no_regression(UniformModel(8.5), TEXTS, reference=UniformModel(8))


def test_rows_that_can_be_read_once_are_read_for_both() -> None:
    assert assert_no_regression(UniformModel(8), iter(TEXTS), reference=UniformModel(8)).n == 40


def test_of_a_reference_nothing_is_reported() -> None:
    with recording() as recorder:
        measured = assert_no_regression(UniformModel(8), TEXTS, reference=UniformModel(9))
    assert recorder.measurements == [measured]
    assert len(recorder.verdicts) == 1


def test_outputs_of_two_models_can_be_compared_without_either() -> None:
    worse = ["b"] * 12 + RIGHT[12:]
    assert_no_regression(RIGHT, ROWS, "exact_match", reference=worse)
    with pytest.raises(QualityError, match=r"exact_match 0.7 is 0.3 worse than the reference .* p = 0.00024") as caught:
        assert_no_regression(worse, ROWS, "exact_match", reference=RIGHT)
    assert caught.value.verdict.outcome is Outcome.REGRESSED


def test_a_metric_has_a_tolerance_of_its_own_or_needs_one() -> None:
    one_worse = ["b", *RIGHT[1:]]
    with pytest.raises(QualityError, match=r"0.01 is tolerated"):
        assert_no_regression(one_worse, ROWS, "exact_match", reference=RIGHT, estimand="dataset")
    with pytest.raises(MisuseError, match="latency_p50 has no tolerance of its own"):
        assert_no_regression(RIGHT, ROWS, "latency_p50", reference=RIGHT)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": "-1%"}, "tolerance='-1%': expected a share"),
        ({"tolerance": math.nan}, "tolerance=nan: expected a share"),
        ({"tolerance": True}, "tolerance=True: expected a share"),
        ({"tolerance": "1 furlong"}, "tolerance='1 furlong': expected a share"),
        ({"alpha": 0.5}, "alpha=0.5: expected a small probability"),
        ({"alpha": 0}, "alpha=0: expected a small probability"),
        ({"estimand": "sample"}, "estimand='sample': expected 'population'"),
        ({"on_inconclusive": "pass"}, "on_inconclusive='pass': expected one of warn, fail, skip, xfail"),
        ({"max_example_drop": "much"}, "max_example_drop='much': expected a share"),
        ({"metric": "perplexty"}, "perplexty"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_the_model_is_asked(
    settings: dict[str, Any], message: str
) -> None:
    model = UniformModel(8)
    with pytest.raises(MisuseError, match=message):
        assert_no_regression(model, TEXTS, **{"reference": UniformModel(8), **settings})
    assert model.calls == []


def test_either_a_reference_or_a_baseline(recorded: Path) -> None:
    with pytest.raises(MisuseError, match=r"both reference= and baseline=.* are given"):
        assert_no_regression(UniformModel(8), TEXTS, reference=UniformModel(8), baseline=recorded)


def test_other_settings_than_were_recorded_are_an_error(recorded: Path) -> None:
    with pytest.raises(QualityError, match=r"cannot be compared with baseline 'release.json'") as caught:
        assert_no_regression(UniformModel(8), TEXTS, "byte_perplexity", tolerance="1%", baseline=recorded)
    assert caught.value.verdict.outcome is Outcome.ERROR


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"the baseline .*none.json cannot be read"):
        assert_no_regression(UniformModel(8), TEXTS, baseline=tmp_path / "none.json")


BOOKS = [{"text": "a" * n, "book": f"book {n // 10}"} for n in range(40)[3:]]


def test_what_belongs_together_is_one_piece_of_evidence() -> None:
    """Documents that all got worse are proof; the same in four books are four observations."""
    with pytest.raises(QualityError) as caught:
        assert_no_regression(UniformModel(8.5), BOOKS, reference=UniformModel(8))
    assert caught.value.verdict.outcome is Outcome.REGRESSED
    with pytest.raises(QualityError, match="4 independent documents prove nothing") as caught:
        assert_no_regression(UniformModel(8.5), BOOKS, reference=UniformModel(8), cluster="book")
    assert caught.value.verdict.outcome is Outcome.INCONCLUSIVE


def test_of_given_outputs_too() -> None:
    rows = [{**row, "dialogue": int(row["id"]) // 2} for row in ROWS]
    measured = assert_no_regression(RIGHT, rows, "exact_match", reference=RIGHT, cluster="dialogue")
    assert measured.estimate is not None
    assert measured.estimate.units == 20


def test_a_column_that_is_not_there_is_an_error_before_the_model_is_asked() -> None:
    model = UniformModel(8)
    with pytest.raises(MisuseError, match=r"cluster='author': example #0 has none \(its row has book, text\)"):
        assert_no_regression(model, BOOKS, reference=model, cluster="author")
    assert model.calls == []
    with pytest.raises(MisuseError, match=r"raters or items are what belongs together"):
        measure(None, [], "mean_rating", cluster="rater")
