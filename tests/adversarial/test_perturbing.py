"""Perturbations made of operations: within the budget, all that is proposed and nothing else, the same for the same numbers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial import Budget, candidate_table, operations, perturbation
from pytest_llm.adversarial.operation import Operation, at_end, of_words

TEXT = "The movie was absolutely wonderful."
UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper(), word.title()]))
LATE = Operation("test.late", "sentence", "likely", 2, at_end([" late"]))


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_what_is_drawn_is_what_the_budget_allows(seed: int, most: int) -> None:
    budget = Budget(max_edits=most, max_levenshtein=3, protect=("movie",))
    perturb = perturbation(operations("typo", "unicode.zerowidth"), budget)
    text = perturb(TEXT, random.Random(seed))
    assert text == perturb(TEXT, random.Random(seed))
    assert text != TEXT
    assert "movie" in text


def test_all_scripts_of_the_budget_are_drawn_and_no_others() -> None:
    table = candidate_table("so it is", [UPPER, LATE], Budget(max_edits=2))
    possible = {script.perturbed for edits in (1, 2) for script in table.scripts(edits)}
    perturb, drawn = perturbation([UPPER, LATE], Budget(max_edits=2)), random.Random(0)
    assert {perturb("so it is", drawn) for _ in range(2000)} == possible


def test_each_number_of_edits_and_each_word_is_drawn_alike() -> None:
    drawn, perturb = random.Random(0), perturbation([UPPER], Budget(max_edits=1))
    texts = [perturb("so it is", drawn) for _ in range(3000)]
    for place in range(3):
        changed = sum(text.split()[place] != ["so", "it", "is"][place] for text in texts)
        assert changed == pytest.approx(1000, abs=105)  # four standard deviations
    many, perturb = " ".join(f"word{number}" for number in range(1000)), perturbation([UPPER], Budget(max_edits=2))
    twice = sum(
        sum(one != other for one, other in zip(perturb(many, drawn).split(), many.split(), strict=True)) == 2
        for _ in range(200)
    )
    assert twice == pytest.approx(100, abs=29)


def test_a_text_without_proposals_stays() -> None:
    assert perturbation(operations("typo.han_swap"))("only English", random.Random(0)) == "only English"
    assert perturbation([UPPER])("", random.Random(0)) == ""


@pytest.mark.parametrize(
    ("given_operations", "complaint"),
    [([], "at least one"), ("typo", "as operations\\('typo'\\) finds them"), ([UPPER, UPPER], "no name twice")],
)
def test_what_is_no_list_of_operations_is_refused_at_once(given_operations: Any, complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        perturbation(given_operations)
