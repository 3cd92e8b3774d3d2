"""`pytest-llm history`: what it prints, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.command.main import main
from pytest_llm.history.files import add_run
from tests.simulated_history import gate, nights, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for one in nights([8.0, 8.1, 8.2, 8.3, 8.4, 8.5, 8.6]):
        add_run(tmp_path, one)
    for day in range(1, 8):
        add_run(tmp_path, run(day, gate(0.5, metric="accuracy", test="u.py::test_other")))
    return tmp_path


def test_a_gate_that_gets_worse_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "8 → 8.6, 7 runs" in said
    assert "drift     worse by 0.6 over 7 runs" in said
    assert said.endswith("\n1 of 2 gates got worse\n")


def test_a_metric_a_test_and_the_last_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(folder), "--metric", "accuracy"]) == 0
    assert main(["history", str(folder), "--test", "other"]) == 0
    assert "perplexity" not in capsys.readouterr().out
    assert main(["history", str(folder), "--last", "4"]) == 0  # too few to tell
    assert "8.5 → 8.6, 2 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--last", "0"], "expected how many runs"), (["--metric", "bleu"], "no gate is of this metric and test")],
)
def test_misuse_is_named(
    folder: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", str(folder), *arguments]) == 2
    assert complaint in capsys.readouterr().err
