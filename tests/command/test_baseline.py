"""`pytest-llm baseline`: what it prints, and its exit code."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.files import write
from pytest_llm.command.main import main
from pytest_llm.data.provenance import Identity
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.regression import judge_change
from pytest_llm.tolerance import Tolerance, parse_amount
from tests.simulated_changes import changed, documents, measured

NAMES = ("main", "v1.0")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one test file and two baselines of its test, main and v1.0."""
    (tmp_path / "test_prose.py").touch()
    baseline = as_baseline(measured(documents(12, np.random.default_rng(1))), Identity(), {"date": "2026-11-25"})
    for name in NAMES:
        write(place(tmp_path, name), baseline)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def place(suite: Path, name: str) -> Path:
    return suite / "llm_baselines" / name / "test_prose" / "test_it.perplexity@cpu.json"


def test_sound_baselines_are_counted(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "verify"]) == 0
    assert capsys.readouterr().out == "2 baselines: all sound\n"


def test_what_is_wrong_is_told_by_file_and_ends_with_1(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(suite, "main").with_suffix(".npz").write_bytes(b"other arrays")
    assert main(["baseline", "verify", str(suite)]) == 1
    told, count = capsys.readouterr().out.splitlines()
    assert told.startswith(f"{place(suite, 'main')}: ")
    assert "other checksum" in told
    assert count == "2 baselines: 1 wrong"


def test_no_baseline_at_all_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "verify", str(tmp_path)]) == 2
    assert "there is no baseline below" in capsys.readouterr().err


@pytest.mark.parametrize(
    "which", ["v1.0", os.path.join("llm_baselines", "v1.0", "test_prose", "test_it.perplexity@cpu.json")]
)
def test_nothing_is_removed_that_nobody_confirmed(suite: Path, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "drop", which]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("llm_baselines")[0] for line in lines[:2]] == ["would remove "] * 2
    assert "--yes" in lines[2]
    assert all(place(suite, name).is_file() for name in NAMES)


@pytest.mark.parametrize(
    "which", ["v1.0", os.path.join("llm_baselines", "v1.0", "test_prose", "test_it.perplexity@cpu.json")]
)
def test_drop_removes_both_files_and_what_is_empty_then(suite: Path, which: str) -> None:
    assert main(["baseline", "drop", which, "--yes"]) == 0
    assert not (suite / "llm_baselines" / "v1.0").exists()
    assert place(suite, "main").is_file()


def test_a_name_that_no_baseline_has_is_misuse(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "drop", "v1", "--yes"]) == 2
    assert "there: main, v1.0" in capsys.readouterr().err


def test_show_prints_what_a_baseline_rests_on(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "show", str(place(suite, "main"))]) == 0
    shown = capsys.readouterr().out
    m = measured(documents(12, np.random.default_rng(1)))
    (worst, value), *_ = m.worst()
    assert shown.startswith(f"perplexity {m.value:.4g}\n")
    for part in ("12 examples", f"worst      {value:>9.4g}  {worst.label}", m.signature, "tiny-decoder", "2026-11-25"):
        assert part in shown


def test_diff_says_what_a_test_would_say(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = documents(40, np.random.default_rng(1))
    after = changed(before, "kernel", 0.05, np.random.default_rng(2))
    for name, statistics in zip(NAMES, (before, after), strict=True):
        write(place(suite, name), as_baseline(measured(statistics), Identity(), {}))
    assert main(["baseline", "diff", *NAMES]) == 1
    said = capsys.readouterr().out
    expected = judge_change(
        Comparison(measured(after), os.path.join("llm_baselines", *place(suite, "main").parts[-3:]), before),
        Tolerance(parse_amount("tolerance", "1%")),
    )
    assert said.startswith(f"REGRESSED    {expected.sentence}\n")
    assert "lost most" in said
    assert main(["baseline", "diff", *NAMES, "--tolerance", "10%"]) == 0
    assert main(["baseline", "diff", *reversed(NAMES)]) == 0


def test_diff_tells_a_gate_that_is_gone_from_one_that_is_new(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".json", ".npz"):
        moved = place(suite, "v1.0").with_suffix(suffix)
        moved.rename(moved.with_name(moved.name.replace("test_it", "test_new")))
    before, after = (str(place(suite, name).parent) for name in NAMES)
    assert main(["baseline", "diff", before, after]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" /")[0].strip() for line in said] == ["ONLY IN A", "ONLY IN B"]


def test_diff_of_what_cannot_be_compared_is_an_error(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = measured(documents(12, np.random.default_rng(1)), ids=[f"e{row}" for row in range(12)])
    write(place(suite, "v1.0"), as_baseline(other, Identity(), {}))
    assert main(["baseline", "diff", *(str(place(suite, name)) for name in NAMES)]) == 1
    assert "not the same data" in capsys.readouterr().out
