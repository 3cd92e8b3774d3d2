"""Counter-examples as lines of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.corpus import (
    Entry,
    add_to_corpus,
    corpus_file,
    input_entry,
    read_corpus,
    with_state,
    write_corpus,
)
from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.adversarial.perturbations.length import context
from pytest_llm.adversarial.perturbations.prompt import PromptFormat
from pytest_llm.adversarial.template import Template
from pytest_llm.adversarial.token_edit import TokenScript
from pytest_llm.storage.checksum import SHORT, checksum_of

TEXT = "The film was wonderful"
SWAP = Edit(4, 8, "film", "flim", "typo.swap")
DROP = Edit(13, 22, "wonderful", "wonderfl", "typo.drop")
ENTRY = Entry("test_typos[en]", TEXT, (SWAP,), state="open", observed="AssertionError: p 0.93 → 0.31")


def written(folder: Path, *entries: Entry) -> Path:
    path = folder / "llm_corpus" / "test_it.jsonl"
    write_corpus(path, entries)
    return path


def resealed(line: str, old: str, new: str) -> str:
    """The line with something else in it, and the checksum that belongs to that, as of one who means to."""
    content = json.loads(line.replace(old, new))
    kept = {name: value for name, value in content.items() if name != "state"}
    return json.dumps({**content, "checksum": checksum_of(kept)[:SHORT]})


def test_it_is_a_file_beside_the_tests() -> None:
    assert corpus_file(Path("tests/test_sentiment.py")) == Path("tests/llm_corpus/test_sentiment.jsonl")


@settings(max_examples=15)
@given(text=st.text(max_size=20), observed=st.text(max_size=20))
def test_what_was_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, text: str, observed: str) -> None:
    entry = Entry("test_any", text, (Edit(0, len(text), text, "other", "any"),) if text else (), observed=observed)
    path = written(tmp_path_factory.mktemp("corpus"), entry, ENTRY)
    assert read_corpus(path) == {entry.id: entry, ENTRY.id: ENTRY}


def test_an_entry_is_one_line_of_plain_characters_and_lines_are_sorted(tmp_path: Path) -> None:
    hidden = Entry("test_hidden", "a\u200cb\n", (), drawn="text")
    lines = written(tmp_path, ENTRY, hidden).read_text().splitlines()
    assert all(line.isascii() for line in lines)
    assert [json.loads(line)["id"] for line in lines] == sorted([ENTRY.id, hidden.id])


def test_no_file_has_no_entries_and_no_entries_have_no_file(tmp_path: Path) -> None:
    assert read_corpus(tmp_path / "missing.jsonl") == {}
    assert written(tmp_path, ENTRY).exists()
    assert not written(tmp_path).exists()


def test_what_is_added_stands_beside_what_is_there_or_in_the_place_of_its_id(tmp_path: Path) -> None:
    path = tmp_path / "llm_corpus" / "test_it.jsonl"
    other = replace(ENTRY, test="test_other")
    assert add_to_corpus(path, [ENTRY.line()]) == {}
    fixed = replace(ENTRY, state="fixed")
    assert add_to_corpus(path, [other.line(), fixed.line()]) == {ENTRY.id: ENTRY}
    assert read_corpus(path) == {ENTRY.id: fixed, other.id: other}


def test_the_id_is_that_of_the_test_the_text_and_the_edits_alone(tmp_path: Path) -> None:
    assert with_state({ENTRY.id: ENTRY}, ENTRY.id, "fixed")[ENTRY.id].state == "fixed"
    others = [
        Entry("test_other", TEXT, (SWAP,)),
        Entry(ENTRY.test, TEXT + ".", (SWAP,)),
        Entry(ENTRY.test, TEXT, (DROP,)),
        Entry(ENTRY.test, TEXT, (SWAP,), relation="invariant"),
    ]
    assert len({entry.id for entry in [ENTRY, *others]}) == 5
    assert Entry(ENTRY.test, TEXT, (SWAP,), state="accepted", observed="other").id == ENTRY.id


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda line: line[:-2], "no counter-example of this version"),
        (lambda line: line.replace('"test_typos[en]"', '"test_typos[de]"'), "only `state` is for editing"),
        (lambda line: line.replace('"drawn": "script"', '"drawn": "text"'), "only `state` is for editing"),
        (lambda line: line.replace("0.31", "0.30"), "only `state` is for editing"),
        (lambda line: line.replace('"perturbed": "The flim', '"perturbed": "The film'), "only `state` is for editing"),
        (lambda line: line.replace('"state": "open"', '"state": "open", "state": "fixed"'), "'state' stands twice"),
        (lambda line: resealed(line, '"test_typos[en]"', '"test_typos[de]"'), "but this test, relation and input are"),
        (lambda line: "[" * 10_000, "nested too deeply"),
        (lambda line: f"<<<<<<< HEAD\n{line}", "a merge was left unfinished"),
        (lambda line: line.replace('"open"', '"closed"'), "'closed': expected open, fixed, accepted"),
        (lambda line: resealed(line, '"observed"', '"seen"'), "observed is missing"),
        (lambda line: resealed(line, '"start": 4', '"start": "4"'), "expected whole numbers"),
        (lambda line: line.replace('"format": 2', '"format": 1'), "this version reads format 2"),
        (lambda line: line.replace("wonderful", "w" * 30_000), "at most 20000 are read"),
        (lambda _: "[]", "not an object"),
        (lambda line: f"{line}\n{line.replace('open', 'fixed')}", "is there twice, and not the same"),
        (lambda line: resealed(line, '"model": {}', '"model": {"name": 3}'), "not texts by name"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_line(tmp_path: Path, change: object, complaint: str) -> None:
    path = written(tmp_path, ENTRY)
    path.write_text(change(path.read_text().rstrip("\n")) + "\n")  # type: ignore[operator]
    with pytest.raises(MisuseError, match=r"test_it\.jsonl:\d: ") as caught:
        read_corpus(path)
    assert complaint in str(caught.value)


def test_a_file_that_lost_all_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    path.write_text("\n")
    with pytest.raises(MisuseError, match=r"test_it\.jsonl is empty: restore it, or remove the file"):
        read_corpus(path)


def test_the_state_is_for_editing(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    path.write_text(path.read_text().replace('"state": "open"', '"state": "accepted"'))
    assert read_corpus(path)[ENTRY.id] == replace(ENTRY, state="accepted")


def test_an_input_that_is_no_number_is_kept(tmp_path: Path) -> None:
    entry = input_entry("test_any", [float("nan"), float("inf")], "AssertionError", {})
    (read,) = read_corpus(written(tmp_path, entry)).values()
    assert repr(read.input) == "[nan, inf]"


def test_lines_that_two_branches_added_alike_are_one_entry(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    path.write_text(path.read_text() * 2)
    assert read_corpus(path) == {ENTRY.id: ENTRY}


def test_edits_that_no_longer_fit_can_be_read_but_not_tried(tmp_path: Path) -> None:
    stale = Entry("test_a", "Another text", (SWAP,))
    (entry,) = read_corpus(written(tmp_path, stale)).values()
    assert entry == stale
    with pytest.raises(MisuseError, match="does not fit the text"):
        entry.input  # noqa: B018  # it is made when it is asked for


def test_a_known_failure_explains_those_with_more_edits_and_no_others() -> None:
    assert ENTRY.explains(EditScript(TEXT, (SWAP,)))
    assert ENTRY.explains(EditScript(TEXT, (SWAP, DROP)))
    assert not ENTRY.explains(EditScript(TEXT, (DROP,)))
    assert not ENTRY.explains(EditScript(TEXT))
    assert not ENTRY.explains(EditScript(TEXT + ".", (SWAP,)))
    assert not ENTRY.explains(TEXT)


def test_a_clean_text_that_fails_explains_no_edited_one() -> None:
    clean = Entry("test_a", TEXT)
    assert clean.explains(EditScript(TEXT))
    assert not clean.explains(EditScript(TEXT, (SWAP,)))


GIVEN = [
    EditScript(TEXT, (SWAP,)),
    "a text",
    Template("{who} is {a:job}").fill({"who": "Anna", "job": "engineer"}),
    PromptFormat(separator=" : ", numbering="i"),
    context("a needle", 30, 0.5),
    {"choices": ["yes", "no"], "target": 1},
    17,
]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: type(given).__name__)
def test_what_a_test_is_given_comes_back_from_the_file(tmp_path: Path, given: object) -> None:
    entry = input_entry("test_a", given, "AssertionError", {})
    (read,) = read_corpus(written(tmp_path, entry)).values()
    assert (read, read.input, type(read.input)) == (entry, given, type(given))
    assert [read.explains(other) for other in GIVEN] == [other is given for other in GIVEN]


@pytest.mark.parametrize(
    ("known", "more", "other"),
    [
        (PromptFormat(spacing=" "), PromptFormat(spacing=" ", case="upper"), PromptFormat(case="upper")),
        (PromptFormat(), PromptFormat(), PromptFormat(case="upper")),
        (context("a needle", 30, 0.5), context("a needle", 60, 0.5), context("a needle", 60, 1.0)),
        (context("a needle", 30, 0.5), context("a needle", 31, 0.5), context("a needle", 20, 0.5)),
        (1, 1, True),
    ],
)
def test_a_known_input_explains_those_that_have_all_of_it(known: object, more: object, other: object) -> None:
    entry = input_entry("test_a", known, "", {})
    assert entry.explains(more)
    assert not entry.explains(other)


def test_what_this_version_makes_otherwise_is_stale() -> None:
    entry = input_entry("test_a", PromptFormat(), "", {})
    older = replace(entry, given={**entry.given, "colour": "red"})
    with pytest.raises(MisuseError, match=r"no layout of this version: .*colour"):
        older.input  # noqa: B018  # it is made when it is asked for


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("a" * 30_000, "at most 20000 are read"),
        (TokenScript((1, 2)), "token ids are another text, or none, for the next tokenizer"),
        ((1, 2), "a tuple has no form in JSON"),
        ({0: "no", 1: "yes"}, "a dict has no form in JSON"),
        (object(), "a object has no form in JSON"),
    ],
)
def test_what_cannot_be_kept_is_said_why(given: object, why: str) -> None:
    with pytest.raises(MisuseError, match=why):
        input_entry("test_a", given, "", {})


def test_an_entry_is_of_the_test_and_its_input() -> None:
    kept = input_entry("test_a", EditScript(TEXT, (SWAP,)), "AssertionError", {"name": "m"})
    assert kept == Entry("test_a", TEXT, (SWAP,), observed="AssertionError", model={"name": "m"})
    assert kept.input == EditScript(TEXT, (SWAP,))
