"""Prompts, contexts and token ids that are drawn: what they shrink to, and which arguments are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_llm.adversarial.perturbations.prompt import PromptFormat
from pytest_llm.adversarial.prompt_strategies import contexts, prompt_formats, token_edits
from pytest_llm.adversarial.token_edit import TokenOperation, TokenScript
from tests.adversarial.shrinking import smallest

DOUBLED = TokenOperation("test.double", "likely", 1, lambda old: [(old, old)], str)


def test_a_layout_shrinks_to_the_plain_one_in_all_that_does_not_matter() -> None:
    assert smallest(prompt_formats()) == PromptFormat()
    assert smallest(prompt_formats(), lambda made: made.numbering == "i") == PromptFormat(numbering="i")
    assert smallest(prompt_formats(separators=[" - "])).separator == " - "


def test_a_context_shrinks_to_the_shortest_that_fails() -> None:
    drawn = contexts("The key is here.", lengths=[400, 50, 100, 200])
    assert smallest(drawn).length == 50
    made = smallest(drawn, lambda made: made.length >= 100 and made.depth == 0.5)
    assert (made.length, made.depth) == (100, 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_edits_of_ids_shrink_to_those_that_matter(seed: int) -> None:
    ids = [7, 8, 9, 10, 11]
    drawn = token_edits(ids, operations=[DOUBLED], max_edits=4)
    assert smallest(drawn) == TokenScript((7, 8, 9, 10, 11))
    script = smallest(drawn, lambda script: {8, 11} <= {edit.old for edit in script.edits}, seed)
    assert [edit.old for edit in script.edits] == [8, 11]


def test_the_report_of_a_failure_shows_the_pieces(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from hypothesis import Phase, given, settings
        from pytest_llm.adversarial import TokenOperation, contexts, token_edits

        halves = TokenOperation("test.halves", "exact", 1, lambda old: [(1, old - 1)], lambda number: f"<{number}>")

        @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(script=token_edits([5, 6], operations=[halves]))
        def test_ids(script):
            assert not script.edits

        @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(hay=contexts("The key is here.", lengths=[30, 60]))
        def test_context(hay):
            assert hay.length < 60
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test.halves@0: [[]<5>] → [[]<1>|<4>], ids 5 → [[]1, 4]",
            "*at depth 0 of a context of 60: The key is here.",
        ]
    )


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (prompt_formats(cases=[]), "Cannot sample"),
        (contexts("x", lengths=[]), r"lengths=\[\], .*expected at least one of each"),
        (contexts("one two", lengths=[1]), "the needle alone counts 2"),
        (token_edits([1], operations=[]), "expected a list of operations"),
        (token_edits([1], operations=DOUBLED), "expected a list of operations"),  # type: ignore[arg-type]
        (token_edits([1], operations=[DOUBLED], max_edits=0), "max_edits=0 allows no edit"),
        (token_edits([], operations=[DOUBLED]), r"none of test.double has an edit of \[\]"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_drawn(strategy: st.SearchStrategy[Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        smallest(strategy)
