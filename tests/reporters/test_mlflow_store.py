"""What MLflow is told. One test asks a real store; importing MLflow takes seconds."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from pytest_llm.effort import Effort
from pytest_llm.errors import MisuseError
from pytest_llm.reporters import mlflow_store
from pytest_llm.reporters.mlflow_store import MlflowReporter, metrics_of, names_of, params_of, tags_of
from pytest_llm.reporters.reporter import reporter_named
from pytest_llm.reports.rows import Figures
from tests.table_rows import failed, row

RUN = {"date": "2026-01-31T03:00:00+00:00", "commit": "0123456789", "python": "3.11.9"}


def test_a_session_is_a_run_of_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    record = tmp_path / "run.json"
    record.write_text("{}")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    rows = [row(effort=Effort(1.5)), failed(figures=Figures(math.nan)), *(row(f"t.py::many[{n}]") for n in range(120))]
    for _ in range(2):
        reporter = reporter_named("mlflow", uri)
        reporter.begin(RUN)
        for one in rows:
            reporter.report(one)
        reporter.end(record)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("pytest-llm")
    assert experiment is not None
    first, second = client.search_runs([experiment.experiment_id])
    assert first.info.run_id != second.info.run_id
    assert (first.info.status, first.info.run_name) == ("FINISHED", "pytest 2026-01-31T03:00:00")
    data = first.data
    assert {name: data.metrics[f"perplexity/t.py/a{name}"] for name in ("", ".low", ".high", ".limit", ".seconds")} == {
        "": 8.0,
        ".low": 7.0,
        ".high": 9.0,
        ".limit": 9.0,
        ".seconds": 1.5,
    }
    assert math.isnan(data.metrics["perplexity/t.py/b"])
    assert len(data.metrics) == 5 + 1 + 120 * 4
    assert data.params == {"model": "tiny", "precision": "float32 on cpu", "commit": "0123456789", "python": "3.11.9"}
    assert data.tags["perplexity/t.py/a"] == "passed"
    assert data.tags["perplexity/t.py/b"] == data.tags["verdict"] == "failed"
    assert first.info.artifact_uri.startswith((tmp_path / "mlruns").as_uri())
    assert [file.path for file in client.list_artifacts(first.info.run_id)] == ["run.json"]
    assert not [path for path in here.rglob("*") if path.is_file()]  # MLflow 2 makes an empty folder


@pytest.mark.parametrize("uri", ["", "mlflow.db", "ftp://host", "sqllite:///m.db", "C:\\runs"])
def test_what_is_no_tracking_uri_is_refused(uri: str) -> None:
    with pytest.raises(MisuseError, match="is no tracking URI of MLflow; it begins with one of sqlite, "):
        MlflowReporter(uri)


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_store, "find_spec", lambda name: None)
    with pytest.raises(MisuseError, match=r"pytest-llm-regression\[mlflow\]"):
        MlflowReporter("https://mlflow.example.org")


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("a/t.py::T::b[x=1, y]", "perplexity/a/t.py/T/b_x_1_ y_"),
        ("t.py::b[../../etc]", "perplexity/t.py/b_../_/etc_"),
        ("t.py::b[//]", "perplexity/t.py/b___"),
        ("t.py::é", "perplexity/t.py/é"),
    ],
)
def test_names_have_no_characters_that_mlflow_refuses(test: str, name: str) -> None:
    assert list(names_of([row(test)])) == [name]


def test_names_are_no_longer_than_may_be_and_no_two_are_one() -> None:
    long = [row(f"t.py::{'x' * 300}{n}") for n in range(3)]
    names = list(names_of([*long, row(), row(), row("t.py::a[1]"), row("t.py::a(1)")]))
    assert len(set(names)) == 7
    assert all(len(f"{name}.seconds") <= 250 for name in names)
    assert names[3:5] == ["perplexity/t.py/a", "perplexity/t.py/a.2"]


def test_what_is_infinite_is_left_out_instead_of_made_finite() -> None:
    assert metrics_of([row(figures=Figures(math.inf, limit=9.0))]) == {"perplexity/t.py/a.limit": 9.0}


def test_params_and_tags() -> None:
    rows = [row(), row("t.py::c", model="other", device="")]
    assert params_of(rows, {**RUN, "commit": ""}) == {
        "model": "tiny, other",
        "precision": "float32 on cpu",
        "python": "3.11.9",
    }
    assert tags_of(rows)["verdict"] == "passed"
    assert re.fullmatch("passed|failed", tags_of([*rows, failed()])["verdict"])
