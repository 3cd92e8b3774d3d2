"""The folder of a history: what is written is read, and what is damaged is refused by name."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.history import files
from pytest_llm.history.files import add_run, read_runs
from pytest_llm.history.run import FORMAT, run_line
from pytest_llm.storage.checksum import sealed
from tests.simulated_history import gate, nights, run

RUN = run_line(run(2, gate(50.0)))


def test_what_is_written_is_read_to_the_last_digit_in_the_order_of_time(tmp_path: Path) -> None:
    third = run(3, gate(1 / 3, low=None, high=None, limit=None, seconds=None, outcome="failed", passed=False))
    runs = [run(1, gate(math.nan), gate(math.inf)), run(2, gate(1e-300, metric="ünï\n\ud800")), third]
    for one in reversed(runs):
        add_run(tmp_path / "deep" / "history", one)
    found = read_runs(tmp_path / "deep" / "history")
    assert repr(found) == repr(runs)  # NaN is not equal to itself


def test_two_branches_that_both_ran_merge_without_a_conflict(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-b", "main")
    add_run(tmp_path / "history", run(1, gate(1.0)))
    for branch, value in (("one", 2.0), ("other", 3.0)):
        git("add", "-A")
        git("commit", "--allow-empty", "-m", "before")
        git("checkout", "-b", branch, "main") if branch == "other" else git("checkout", "-b", branch)
        add_run(tmp_path / "history", run(2, gate(value)))
        git("add", "-A")
        git("commit", "-m", branch)
    git("merge", "one")
    assert sorted(one.gates[0].value for one in read_runs(tmp_path / "history")) == [1.0, 2.0, 3.0]


def test_files_that_were_put_together_are_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "2026.jsonl").write_text("\n".join(map(run_line, nights([1.0, 2.0]))) + "\n\n", encoding="utf-8")
    assert [one.gates[0].value for one in read_runs(tmp_path)] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "line 2 is no session of a history"),
        ("[" * 100_000, "line 2 is no session of a history"),
        ("[]", r"it is \[\], not an object"),
        ('{"format": "other"}', "its format is 'other'"),
        ('{"format": "pytest-llm history", "schema": 1}', "its schema is 1, and this version reads 2"),
        (RUN.replace('"date":', '"dote":'), "it is not as it was written"),
        (RUN.replace("60", "61"), "it is not as it was written"),
        (RUN.replace('"value":', '"value":1,"value":'), "is no session of a history: 'value' stands twice"),
        (json.dumps(sealed({"format": FORMAT, "schema": 2, "recorded": {}})), "'date' is missing"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{run_line(run(1))}\n{line}\n", encoding="utf-8")
    with pytest.raises(MisuseError, match=f"a.jsonl, line 2.*{complaint}|a.jsonl, {complaint}"):
        read_runs(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("value", "high"), ("passed", 1), ("n", -1), ("test", None), ("low", [])])
def test_a_member_of_another_kind_is_named(tmp_path: Path, name: str, value: object) -> None:
    content = json.loads(run_line(run(1, gate(1.0))))
    content["gates"][0][name] = value
    (tmp_path / "a.jsonl").write_text(json.dumps(sealed(content)), encoding="utf-8")
    with pytest.raises(MisuseError, match=f"a.jsonl, line 1, gates 0: '{name}'"):
        read_runs(tmp_path)


def test_a_session_that_is_in_two_files_counts_once(tmp_path: Path) -> None:
    for place, one in enumerate(nights([1.0, 2.0, 3.0])):
        (tmp_path / f"{place}.jsonl").write_text(run_line(one), encoding="utf-8")
    (tmp_path / "all.jsonl").write_text("\n".join(map(run_line, nights([1.0, 2.0]))), encoding="utf-8")
    assert [one.gates[0].value for one in read_runs(tmp_path)] == [1.0, 2.0, 3.0]


def test_a_file_that_lost_its_session_is_named(tmp_path: Path) -> None:
    add_run(tmp_path, run(1))
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(MisuseError, match=r"empty\.jsonl is empty"):
        read_runs(tmp_path)


def test_what_cannot_be_a_history_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MisuseError, match="is no folder"):
        read_runs(tmp_path / "missing")
    with pytest.raises(MisuseError, match="there is no session"):
        read_runs(tmp_path)
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    add_run(tmp_path, run(1))
    with pytest.raises(MisuseError, match=r"it has [\d,]+ bytes; 10 are accepted"):
        read_runs(tmp_path)
