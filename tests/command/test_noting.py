"""`pytest-llm baseline noted`, as Git runs it: in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.files import write
from pytest_llm.command.main import main
from pytest_llm.data.provenance import Identity
from tests.simulated_changes import documents, measured

BASELINE = Path("quality", "llm_baselines", "main", "test_prose", "test_it.perplexity@cpu.json")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in which there is one baseline."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set where the tests themselves run in a hook
        monkeypatch.delenv(name, raising=False)
    for key, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
    }.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("GIT_COMMITTER_NAME", "A")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "a@example.org")
    git("init", "--quiet", "--initial-branch=main")
    record(1)
    git("add", ".")
    git("commit", "--quiet", "--message=First")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def record(seed: int) -> None:
    BASELINE.parent.mkdir(parents=True, exist_ok=True)
    write(BASELINE, as_baseline(measured(documents(12, np.random.default_rng(seed))), Identity(), {}))


def noted(message: str) -> int:
    Path("MESSAGE").write_text(message, encoding="utf-8")
    return main(["baseline", "noted", "MESSAGE"])


def test_a_commit_without_baselines_needs_no_note(repository: Path) -> None:
    (repository / "code.py").touch()
    git("add", "code.py")
    assert noted("Add code") == 0


def test_a_changed_baseline_needs_one_and_is_shown(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(2)
    git("add", ".")
    assert noted("Train longer") == 1
    first, change, *_, remedy = capsys.readouterr().out.splitlines()
    assert first == "1 baseline changes, and the message of the commit does not say why:"
    assert change.startswith("  perplexity ")
    assert ", now perplexity " in change
    assert change.endswith(f"[{BASELINE.as_posix()}]")
    assert "Baselines: " in remedy


@pytest.mark.parametrize("message", ["Train longer\n\nBaselines: trained longer", "x\n\nbaselines: see #1\nOther: y"])
def test_a_note_is_a_line_of_the_message(repository: Path, message: str) -> None:
    record(2)
    git("add", ".")
    assert noted(message) == 0


@pytest.mark.parametrize(
    "message",
    [
        "Train longer\n\nBaselines:",
        "Train longer\n\n# Baselines: commented out",
        "Train longer\n# ------------------------ >8 ------------------------\nBaselines: only in the diff",
    ],
)
def test_what_says_nothing_is_no_note(repository: Path, message: str) -> None:
    record(2)
    git("add", ".")
    assert noted(message) == 1


def test_a_baseline_that_goes_or_is_new_needs_one(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("mv", "quality/llm_baselines/main", "quality/llm_baselines/v1")
    assert noted("Release") == 1
    shown = capsys.readouterr().out
    assert "2 baselines change" in shown
    assert ", removed  [quality/llm_baselines/main/" in shown
    assert ", new  [quality/llm_baselines/v1/" in shown


def test_arrays_alone_count_too(repository: Path) -> None:
    git("rm", "--quiet", str(BASELINE.with_suffix(".npz")))
    assert noted("Tidy") == 1


def test_the_first_commit_counts_too(repository: Path) -> None:
    git("update-ref", "-d", "HEAD")
    assert noted("First") == 1


def test_what_is_not_staged_does_not_count(repository: Path) -> None:
    record(2)
    assert noted("Add code") == 0


def test_a_file_that_is_no_baseline_is_shown_as_what_it_is(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BASELINE.write_text("<<<<<<< HEAD", encoding="utf-8")
    git("add", ".")
    assert noted("Merge by hand") == 1
    assert "now an unreadable baseline" in capsys.readouterr().out


def test_a_merge_brings_only_what_was_noted_before(repository: Path) -> None:
    git("checkout", "--quiet", "-b", "longer")
    record(2)
    git("commit", "--quiet", "--all", "--message=Train longer\n\nBaselines: trained longer")
    git("checkout", "--quiet", "main")
    (repository / "code.py").touch()
    git("add", "code.py")
    git("commit", "--quiet", "--message=Add code")
    git("merge", "--no-commit", "--no-ff", "longer")
    assert noted("Merge branch 'longer'") == 0
    record(3)
    git("add", ".")
    assert noted("Merge branch 'longer'") == 1


def test_outside_a_repository_it_is_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert noted("x") == 2
    assert "is it a repository?" in capsys.readouterr().err


def test_a_message_that_is_not_there_is_misuse(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "noted", "NO_SUCH"]) == 2
    assert "NO_SUCH cannot be read" in capsys.readouterr().err
