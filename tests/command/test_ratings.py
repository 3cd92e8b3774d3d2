"""`pytest-llm ratings` writes tasks of Label Studio, and reads what was said there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llm import assert_preference_above
from pytest_llm.command.main import main
from pytest_llm.rating.answer_file import AnswerFile
from tests.rating.sheets import PAIRS, session_of, write_pair

FILES = ["new.jsonl", "--against", "old.jsonl"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With two files of outputs, and the answers of one rater."""
    monkeypatch.chdir(tmp_path)
    write_pair(tmp_path)
    with AnswerFile(tmp_path / "r.jsonl") as file:
        session = session_of(file)
        for position in range(1, 6):
            new_first = session.question("Ann", position).outputs[0].startswith("NEW")
            session.record("Ann", position, "first" if new_first else "second", "")
    return tmp_path


def test_what_goes_out_comes_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ratings", "export", *FILES, "--ratings", "r.jsonl", "--label-studio", "tasks.json"]) == 0
    out, err = capsys.readouterr()
    assert out == "tasks.json: 6 tasks, 5 annotations\ntasks.xml: the labelling configuration of their project\n"
    assert err.endswith("known by their e-mail addresses, which these are not: Ann\n")
    assert (folder / "tasks.xml").read_text().startswith("<View>")
    arguments = [
        "ratings",
        "import",
        *FILES,
        "--label-studio",
        "tasks.json",
        "--out",
        "back.jsonl",
        "--rater",
        "Ann=Bea",
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "back.jsonl: 5 answers of 1 raters, 0 of them skipped\n"
    assert '"rater": "Bea"' in (folder / "back.jsonl").read_text()
    assert assert_preference_above("back.jsonl", "new", against="old").value == 1
    with AnswerFile(folder / "back.jsonl") as file:
        assert session_of(file, PAIRS).progress("Bea").left == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", *FILES, "--label-studio", "tasks.txt"], "tasks are a .json file"),
        (["export", *FILES, "--label-studio", "t.json", "--ratings", "none.jsonl"], "there is no none.jsonl"),
        (["export", "new.jsonl", "--label-studio", "t.json", "--ratings", "r.jsonl"], "r.jsonl holds comparisons"),
        (["import", *FILES, "--label-studio", "none.json", "--out", "b.jsonl"], "none.json cannot be read as JSON"),
        (["import", *FILES, "--label-studio", "e.json", "--out", "b.jsonl"], "e.json holds no annotation"),
        (["import", *FILES, "--label-studio", "e.json", "--out", "r.jsonl"], "expected a .jsonl that is not there yet"),
        (["import", *FILES, "--label-studio", "e.json", "--out", "b.jsonl", "--rater", "7"], "expected ID=NAME"),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "e.json").write_text(json.dumps([]))
    assert main(["ratings", *arguments]) == 2
    assert message in capsys.readouterr().err
