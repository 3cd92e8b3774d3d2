"""`pytest-llm cache`: what it prints, and its exit code."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from pytest_llm.command.main import main
from pytest_llm.inference.cache import Cache, question_of
from pytest_llm.inference.cache_file import NAME


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with twelve answers of two models, where a test run would look for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_LLM_CACHE", raising=False)
    folder = tmp_path / ".pytest_cache" / "d" / "llm-regression"
    cache = Cache(lambda: folder)
    cache.keep(question_of("1", "tiny-decoder", "Score()", "together", 0), {f"{n}": "x" * 100 for n in range(10)})
    cache.keep(question_of("2", "smollm2", "classify", "together", 0), {"a": "short", "b": "short"})
    cache.close()
    return folder


def damage(folder: Path) -> None:
    connection = sqlite3.connect(folder / NAME)
    with connection:
        connection.execute("UPDATE answers SET value = x'00' WHERE rowid = 2")
    connection.close()


def test_info_says_what_is_kept(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    whole, *questions = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf".*{NAME}: 12 answers, 0\.\d MB", whole)
    assert re.fullmatch(r" +10 +0\.0 MB  used \d{4}-\d\d-\d\d \d\d:00  tiny-decoder: Score\(\)", questions[0])
    assert questions[1].endswith("smollm2: classify")


def test_sound_answers_are_counted(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "verify", str(kept)]) == 0
    assert capsys.readouterr().out == "12 answers: all sound\n"


def test_damaged_answers_are_told_once(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(kept)
    assert main(["cache", "verify"]) == 1
    assert capsys.readouterr().out == "12 answers: 1 were damaged, and are removed\n"
    assert main(["cache", "verify"]) == 0


def test_clear_removes_all(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "clear"]) == 0
    assert "removed 12 answers from" in capsys.readouterr().out
    assert main(["cache", "info"]) == 0
    assert ": 0 answers, " in capsys.readouterr().out


def test_the_environment_names_the_folder(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_LLM_CACHE", str(kept.rename(tmp_path / "elsewhere")))
    assert main(["cache", "verify"]) == 0


def test_no_cache_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["cache", "info"]) == 2
    assert "there is no .pytest_cache" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_ours_is_left_alone(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / NAME).write_text("a diary " * 1000)
    for action in ("info", "verify", "clear"):
        assert main(["cache", action]) == 2
        assert "cannot be read: file is not a database" in capsys.readouterr().err
    assert (kept / NAME).read_text() == "a diary " * 1000
