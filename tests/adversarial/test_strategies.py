"""What is drawn, what it shrinks to, what the report of a failure shows, and which arguments are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.operation import Operation, of_words
from pytest_llm.adversarial.perturbations.families import operations
from pytest_llm.adversarial.strategies import edits, perturbed_texts, templates
from pytest_llm.adversarial.table import Budget, candidate_table
from pytest_llm.adversarial.template import Filled
from tests.adversarial.shrinking import smallest

TEXT = "The movie was absolutely wonderful."
TYPOS = operations("typo")
SMALL = operations("typo.swap", "typo.drop", "unicode.zerowidth")


def first(strategy: st.SearchStrategy[Any]) -> Any:
    return smallest(strategy, lambda _: True)


def test_the_first_script_is_empty() -> None:
    assert first(edits(TEXT)) == EditScript(TEXT)
    assert first(perturbed_texts([TEXT, "Another one."])) == EditScript(TEXT)


@given(edits(TEXT, operations=TYPOS, budget=Budget(max_edits=2, max_words=1, protect=("movie",))))
def test_scripts_keep_to_operations_and_budget(script: EditScript) -> None:
    table = candidate_table(TEXT, TYPOS, Budget(max_edits=2, max_words=1, protect=("movie",)))
    assert table.allows(script)
    assert set(script.edits) <= set(table)


@pytest.mark.parametrize("number", range(8))
def test_a_planted_weakness_shrinks_to_its_words(number: int) -> None:
    """A victim that fails when two words are hurt: the two in the mildest way, and nothing else."""

    def fails(script: EditScript) -> bool:
        return "movie" not in script.perturbed and "wonderful" not in script.perturbed

    script = smallest(edits(TEXT, operations=SMALL, budget=Budget(max_edits=4)), fails, number)
    assert [(edit.old, edit.operation) for edit in script.edits] == [
        ("movie", "unicode.zerowidth"),
        ("wonderful", "unicode.zerowidth"),
    ]


def test_a_planted_weakness_of_a_chinese_text_shrinks_to_its_word() -> None:
    drawn = edits("我觉得这部电影非常精彩。", operations=operations("word", "typo"), budget=Budget(max_edits=4))
    script = smallest(drawn, lambda script: "电影" not in script.perturbed)
    assert len(script) == 1
    assert set(script.edits[0].old) & set("电影")


def test_a_target_leads_to_a_weakness_that_takes_many_edits() -> None:
    """Edits are drawn as whole numbers, which `target` climbs on; of strings it would know nothing."""
    text = "The movie was absolutely wonderful and the three actors were really good in a small house near London."
    words = ("movie", "wonderful", "good", "London")

    def most_hurt(report: Callable[[float], object], number: int) -> int:
        found = [0]

        @seed(number)
        @settings(max_examples=300, database=None, deadline=None, phases=(Phase.generate, Phase.target))
        @given(edits(text, operations=TYPOS, budget=Budget(max_edits=6)))
        def draw(script: EditScript) -> None:
            hurt = sum(word not in script.perturbed for word in words)
            found[0] = max(found[0], hurt)
            report(float(hurt))

        draw()
        return found[0]

    led, drawn = (sum(most_hurt(report, number) for number in (1, 2)) for report in (target, lambda _: None))
    assert led > drawn


def test_it_shrinks_to_the_first_text_that_fails() -> None:
    seeds = ["A good film.", "A fine film.", "A bad film."]
    script = smallest(perturbed_texts(seeds, operations=TYPOS), lambda script: script.text != seeds[0])
    assert script == EditScript(seeds[1])


def test_every_edit_of_a_small_table_is_drawn() -> None:
    table = candidate_table("A good film", SMALL[1:2])
    wanted = set(table)
    for edit in wanted:
        smallest(edits("A good film", operations=SMALL[1:2]), lambda script, edit=edit: script.edits == (edit,))


def test_the_report_of_a_failure_names_what_cannot_be_seen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from hypothesis import Phase, given, settings
        from pytest_llm.adversarial import edits, operations

        @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(script=edits("A wonderful film", operations=operations("unicode.zerowidth")))
        def test_it(script):
            assert "wonderful" in script.perturbed
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*unicode.zerowidth@2: 'wonderful' → 'wond<U+200B ZERO WIDTH SPACE>erful'*"],
    )


def test_templates_shrink_to_the_first_entries() -> None:
    jobs = ["nurse", "engineer"]
    made = templates("{name} is {a:job}.", "Is {name} {a:job}?", name=["Anna", "Mei"], job=jobs)
    assert first(made) == Filled("Anna is a nurse.", {"name": "Anna", "job": "nurse"})
    assert smallest(made, lambda filled: "engineer" in filled.text).text == "Anna is an engineer."
    assert smallest(made, lambda filled: "?" in filled.text).text == "Is Anna a nurse?"


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (edits(3), "3: expected a text"),  # type: ignore[arg-type]
        (edits(TEXT, operations="typo"), r"as operations\('typo'\) finds them"),  # type: ignore[arg-type]
        (edits(TEXT, operations=["typo"]), r"contains 'typo': expected an Operation"),  # type: ignore[list-item]
        (edits(TEXT, operations=[]), "expected at least one"),
        (edits(TEXT, budget=3), "budget=3: expected a Budget"),  # type: ignore[arg-type]
        (edits("…", operations=TYPOS), "none of typo.case, .* has an edit of '…'"),
        (perturbed_texts([]), "with at least one"),
        (perturbed_texts("text"), "seeds='text': expected a list of texts"),
        (perturbed_texts(["…"], operations=TYPOS), "has an edit of '…'"),
        (templates("{name}"), r"fields of the patterns: \['name'\], lexicons given: \[\]"),
        (templates("x", name=["a"]), r"lexicons given: \['name'\]"),
        (templates("{name}", name=[]), r"name=\[\]: expected a list of words"),
        (templates("{name", name=["a"]), "expected a text with gaps"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_drawn(strategy: st.SearchStrategy[Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        first(strategy)


def test_a_text_without_edits_among_others_is_drawn_as_it_is() -> None:
    assert first(perturbed_texts(["…", "movie"], operations=TYPOS)) == EditScript("…")


def test_a_strategy_shows_how_it_was_made() -> None:
    shout = Operation("test.shout", "character", "likely", 1, of_words(lambda word: [word.upper()]))
    assert repr(edits("One", operations=[shout])) == "edits('One', operations=[<test.shout>])"
