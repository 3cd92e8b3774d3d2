"""`pytest-llm corpus` lists counter-examples and changes what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.adversarial.corpus import Entry, corpus_file, read_corpus, write_corpus
from pytest_llm.adversarial.edit import Edit
from pytest_llm.command.main import main

HIDDEN = Entry("test_a", "a film", (Edit(3, 3, "", "\u200b", "unicode.zerowidth"),), observed="AssertionError: bad")
STALE = Entry("test_b", "a film", (Edit(0, 1, "x", "y", "typo.key"),), state="accepted")
FILE = corpus_file(Path("tests/test_words.py"))


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(FILE, [HIDDEN])


def test_list_names_what_cannot_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{HIDDEN.id}  open      {FILE}::test_a: AssertionError: bad",
        "  - a film",
        "  + a f<U+200B ZERO WIDTH SPACE>ilm",
        "    1. unicode.zerowidth@3: '' → '<U+200B ZERO WIDTH SPACE>'",
    ]


def test_list_can_be_narrowed_to_a_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list", "--state", "fixed"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("action", "state"), [("fix", "fixed"), ("accept", "accepted"), ("open", "open")])
def test_what_one_is_can_be_changed(action: str, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", action, HIDDEN.id[:4]]) == 0
    assert read_corpus(FILE)[HIDDEN.id].state == state
    assert capsys.readouterr().out == f"{FILE}: {HIDDEN.id} open → {state}\n"


def test_one_can_be_dropped_and_with_the_last_one_the_file_goes() -> None:
    assert main(["corpus", "drop", HIDDEN.id]) == 0
    assert not FILE.exists()


def test_what_is_nowhere_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "fix", "nothing"]) == 1
    assert "there is no counter-example nothing" in capsys.readouterr().out


def test_the_beginning_of_two_ids_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    others = [Entry("test_a", str(number)) for number in range(20)]
    write_corpus(FILE, [HIDDEN, *others])
    shared = next(a for a in "0123456789abcdef" if sum(entry.id.startswith(a) for entry in others) > 1)
    assert main(["corpus", "drop", shared]) == 2
    assert f"{shared} is the beginning of" in capsys.readouterr().err


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["corpus", "list", "empty"]) == 2
    assert "there are no counter-examples below" in capsys.readouterr().err


def test_a_stale_one_is_listed_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    FILE.write_text(STALE.line() + "\n")
    assert main(["corpus", "list"]) == 0
    assert "stale: Edit(start=0" in capsys.readouterr().out
