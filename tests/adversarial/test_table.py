"""The candidate table: finite, ordered, the same in each process; what a budget allows."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.operation import Operation, at_end, at_start, of_gaps, of_sentences, of_words
from pytest_llm.adversarial.perturbations.character import TYPOS
from pytest_llm.adversarial.perturbations.families import EVERYTHING
from pytest_llm.adversarial.table import Budget, candidate_table

UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper()]))
SHOUT = Operation("test.shout", "sentence", "likely", 3, of_sentences(lambda sentence: [sentence + "!"]))
TEXT = "The movie was absolutely wonderful."


def test_it_holds_every_edit_once_the_mildest_operation_first() -> None:
    table = candidate_table("one two", [SHOUT, UPPER])
    assert [(edit.operation, edit.new) for edit in table] == [
        ("test.upper", "ONE"),
        ("test.upper", "TWO"),
        ("test.shout", "one two!"),
    ]
    assert len(table) == 3
    assert table.sites == 2
    assert [edit.new for edit in table.at(0)] == ["ONE", "one two!"]


def test_three_numbers_name_an_edit_or_nothing() -> None:
    table = candidate_table("one two", [UPPER, SHOUT])
    second = table.edit(0, 1, 7)
    assert second is not None
    assert second.new == "TWO"
    assert table.edit(1, 1, 0) is None


def test_an_edit_that_changes_nothing_is_none() -> None:
    assert len(candidate_table("ONE 22", [UPPER])) == 0


def test_protected_stretches_are_left_alone() -> None:
    table = candidate_table("one two three", [UPPER, SHOUT], Budget(protect=("two",)))
    assert [edit.new for edit in table] == ["ONE", "THREE"]


def test_gaps_ends_and_beginnings_are_sites_too() -> None:
    gap = Operation("test.gap", "format", "exact", 1, of_gaps(lambda gap: [gap + " "]))
    end = Operation("test.end", "sentence", "likely", 2, at_end([" Really."]))
    start = Operation("test.start", "sentence", "likely", 2, at_start(["Well, "]))
    table = candidate_table("One two.", [gap, end, start])
    assert [EditScript(table.text, (edit,)).perturbed for edit in table] == [
        "One  two.",
        "One two. ",
        "One two. Really.",
        "Well, One two.",
    ]


@pytest.mark.parametrize(
    ("budget", "most"),
    [
        (Budget(max_edits=2), 2),
        (Budget(max_edits=9, max_cost=5), 2),
        (Budget(max_edits=9, max_words=1), 1),
        (Budget(max_edits=9, max_levenshtein=2), 2),
    ],
)
def test_a_script_takes_edits_until_the_budget_is_spent(budget: Budget, most: int) -> None:
    table = candidate_table(TEXT, TYPOS[2:4], budget)
    script = table.script(table)
    assert len(script) == most
    assert table.allows(script)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 63)), max_size=6))
def test_a_script_that_is_allowed_has_only_allowed_parts(choices: list[tuple[int, int, int]]) -> None:
    table = candidate_table(TEXT, TYPOS, Budget(max_edits=3, max_words=2, max_cost=6, max_levenshtein=5))
    script = table.script(table.edit(*choice) for choice in choices)
    for size in range(len(script)):
        assert all(table.allows(EditScript(TEXT, part)) for part in combinations(script.edits, size))


def test_enumeration_is_complete() -> None:
    table = candidate_table("one two three", [UPPER, SHOUT], Budget(max_edits=2))
    pairs = {script.perturbed for script in table.scripts(2)}
    assert pairs == {"ONE TWO three", "ONE two THREE", "one TWO THREE"}
    assert len(list(table.scripts(1))) == len(table) == 4


def test_the_order_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from pytest_llm.adversarial.table import candidate_table as t\n"
        "from pytest_llm.adversarial.perturbations.families import EVERYTHING\n"
        f"print(list(t({TEXT!r}, EVERYTHING)))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, cwd="."
        ).stdout
        for seed in ("0", "1")
    }
    assert len(seen) == 1
    assert str(list(candidate_table(TEXT, EVERYTHING))).encode() in seen.pop()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_edits": 0}, "max_edits=0 allows no edit"),
        ({"max_cost": float("nan")}, "max_cost=nan allows no edit"),
        ({"protect": "word"}, "expected a tuple"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Budget(**limits)  # type: ignore[arg-type]


def test_operations_are_needed_each_once() -> None:
    with pytest.raises(MisuseError, match="expected at least one, and no name twice"):
        candidate_table(TEXT, [])
    with pytest.raises(MisuseError, match="no name twice"):
        candidate_table(TEXT, [UPPER, UPPER])
    with pytest.raises(MisuseError, match="expected a text"):
        candidate_table(None, [UPPER])  # type: ignore[arg-type]
