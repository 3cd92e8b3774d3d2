"""`pytest-llm rate` says what it serves, and refuses what would go wrong. The page: `tests/behaviour/test_rating_page.py`."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.outputs_to_rate import write_outputs
from pytest_llm.command.main import main
from pytest_llm.rating import server
from pytest_llm.rating.answer_file import AnswerFile, as_line
from pytest_llm.rating.answers import Answer
from tests.rating.sheets import write_pair, write_rows

Rate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rate:
    """Run it in a folder of two files of outputs, with a server that is interrupted at once."""
    write_pair(tmp_path)
    monkeypatch.chdir(tmp_path)

    def interrupted(app: Any, listening: socket.socket) -> None:
        assert listening.getsockname()[0].startswith("127.")
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "serve", interrupted)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["rate", "new.jsonl", "--out", "r.jsonl", *arguments])
        return code, *capsys.readouterr()

    return run


def test_it_says_where_to_go_and_how_the_answers_are_used(rate: Rate) -> None:
    code, out, err = rate("--against", "old.jsonl")
    first, address, _, use = out.splitlines()
    assert (code, err) == (0, "")
    assert first == "6 pairs of outputs; answers go to r.jsonl"
    assert address.startswith("  open  http://127.0.0.1:")
    assert len(address.partition("?token=")[2]) >= 43  # 256 bits
    assert use == "  to use  assert_preference_above('r.jsonl', 'new', against='old', confidence=0.95)"
    assert "assert_rating_above('r.jsonl', 3.5, lowest=1, highest=7)" in rate("--points", "7")[1]


def test_each_start_has_a_token_and_a_port_of_its_own(rate: Rate) -> None:
    tokens = {rate()[1].partition("token=")[2].split()[0] for _ in range(3)}
    assert len(tokens) == 3


def test_raters_who_are_expected_are_counted(rate: Rate) -> None:
    out = rate("--raters", "Ann, Bob", "--overlap", "2")[1]
    assert "Ann: 0 of 4 answered, 0 skipped\nBob: 0 of 4 answered, 0 skipped\n" in out


def test_a_repair_is_warned_of(rate: Rate, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(as_line(Answer("Ann", "q1", 4)) + b'{"rater"')
    code, out, err = rate()
    assert code == 0
    assert err.startswith("warning: the last line of r.jsonl was torn by a crash")
    assert "Ann: 1 of 6 answered" in out


def test_pairs_that_are_alike_are_counted(rate: Rate, tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "p", "output": text} for text in ("same", "same")]
    write_rows(tmp_path / "new.jsonl", rows[:1])
    write_rows(tmp_path / "old.jsonl", rows[1:])
    assert rate("--against", "old.jsonl")[1].startswith("1 pairs of outputs, 1 of them alike;")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "192.168.0.7"], "can be reached from other machines, unencrypted; better let raters come through `ssh -L`"),
        (["--host", "0.0.0.0", "--expose"], "name the one address that raters will type"),
        (["--host", "example.org"], "expected an IPv4 address of this machine"),
        (["--host", "203.0.113.7", "--expose"], "cannot listen at 203.0.113.7:0"),
        (["--overlap", "2"], "name them (--raters)"),
        (["--against", "new.jsonl"], "answers need two names"),
        (["--points", "10"], "expected 2 to 9, as each is a key"),
    ],
)  # fmt: skip
def test_what_would_go_wrong_is_refused(rate: Rate, arguments: list[str], message: str) -> None:
    code, _, err = rate(*arguments)
    assert (code, message in err) == (2, True), err


def test_a_port_that_is_taken_and_a_file_that_is_in_use_are_said(rate: Rate, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen at 127.0.0.1:" in rate("--port", str(taken.getsockname()[1]))[2]
    with AnswerFile(tmp_path / "r.jsonl"):
        assert "r.jsonl is in use" in rate()[2]


def test_names_have_to_differ(rate: Rate, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rate("--raters", "Ann,ann")
    assert "expected different names with commas between them" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_is_named(rate: Rate, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    code, _, err = rate()
    assert (code, err) == (
        2,
        f"pytest-llm rate: the page needs {missing}, which is not installed: pip install 'pytest-llm-regression[rate]'\n",
    )


def test_the_readme_shows_what_it_says(rate: Rate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- pytest-llm rate -->\n```console\n(.*?)```", readme, re.DOTALL)
    command, *printed = shown.splitlines()[2:]
    write_outputs(tmp_path)
    assert main(command.split()[2:]) == 0
    without_address = re.compile(r"127.0.0.1:\d+|token=\S+")
    said = capsys.readouterr().out.splitlines()
    assert [without_address.sub("", line) for line in said[:3]] == [without_address.sub("", line) for line in printed]
