"""The search against victims whose weakness is known: found within budget, shrunk to what was planted, exact where it says so."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.counter_example import Queries
from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.operation import Operation, of_words
from pytest_llm.adversarial.perturbations.families import operations
from pytest_llm.adversarial.search.attack import Outcome, Search, attack
from pytest_llm.adversarial.search.lockstep import Scorer, in_lockstep
from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table

UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper()]))
STAR = Operation("test.star", "character", "likely", 3, of_words(lambda word: [f"*{word}*"]))
TEXT = "the acting was never better and the whole story felt honest from beginning to end"
Loss = Callable[[str], float]
_DRAWN = random.Random(5)
WORDS = ["".join(_DRAWN.choices("aeioutnrsl", k=_DRAWN.randint(3, 9))) for _ in range(360)]
SEARCH = Search()
TYPOS = operations("typo.swap", "typo.drop", "typo.double", "typo.key")
TRIGRAMS = np.random.default_rng(1).normal(size=4096)


def attacked(loss: Loss, *tables: CandidateTable, search: Search = SEARCH) -> tuple[list[Outcome], Queries]:
    scorer = Scorer(lambda asked: [(loss(text), text) for _, text in asked])
    found = in_lockstep([attack(table, search) for table in tables], scorer)
    return found, scorer.total


def planted(*words: str) -> Loss:
    """Wrong as soon as none of these words is read; each that is not brings it nearer."""
    return lambda text: sum(word not in text.split() for word in words) - len(words) + 0.5


def needle(*words: str) -> Loss:
    """Wrong as soon as none of these words is read; nothing leads there."""
    return lambda text: 1.0 if not set(words) & set(text.split()) else -1.0


@pytest.mark.parametrize("words", [("better",), ("better", "honest"), ("never", "story", "end")])
def test_a_planted_weakness_is_found_and_shrunk_to_the_planted_words(words: tuple[str, ...]) -> None:
    table = candidate_table(TEXT, [UPPER, STAR, *TYPOS], Budget(max_edits=4))
    [found], queries = attacked(planted(*words), table)
    assert found.state == "broken"
    assert found.smallest is not None
    assert sorted(edit.old for edit in found.smallest.edits) == sorted(words)
    assert {edit.operation for edit in found.smallest.edits} == {"test.upper"}  # the mildest that does it
    assert queries.executed <= SEARCH.queries + 20
    assert queries.batches <= 20


def test_nothing_leads_to_it_but_all_are_tried() -> None:
    [found], _ = attacked(needle("never", "felt"), candidate_table(TEXT, [UPPER], Budget(max_edits=2)))
    assert found.smallest is not None
    assert [edit.old for edit in found.smallest.edits] == ["never", "felt"]
    assert found.minimality == "smallest"


def test_an_invariant_victim_holds_and_that_is_exact_where_all_were_tried() -> None:
    table = candidate_table(TEXT, [UPPER], Budget(max_edits=2))
    [found], queries = attacked(lambda _: -1.0, table)
    assert (found.state, found.exact) == ("held", True)
    assert queries.executed == 1 + sum(len(list(table.scripts(size))) for size in (1, 2))
    [unsure], queries = attacked(lambda _: -1.0, table, search=Search(queries=50))
    assert (unsure.state, unsure.exact) == ("held", False)
    assert queries.executed == 50


def test_what_is_wrong_already_is_skipped() -> None:
    [found], queries = attacked(lambda _: 0.5, candidate_table(TEXT, [UPPER]))
    assert found.state == "skipped"
    assert queries.executed == 1


def test_a_text_without_edits_holds() -> None:
    [found], _ = attacked(needle("a"), candidate_table("a 1", TYPOS))
    assert (found.state, found.exact) == ("held", True)


def test_the_worst_is_kept_besides_the_smallest() -> None:
    def loss(text: str) -> float:
        return sum(word.isupper() for word in text.split()) - 0.5

    [found], _ = attacked(loss, candidate_table(TEXT, [UPPER], Budget(max_edits=2)))
    assert found.smallest is not None
    assert found.worst is not None
    assert len(found.smallest) == 1
    assert loss(found.worst.perturbed) == max(loss(found.smallest.perturbed), loss(found.worst.perturbed))


def test_attacks_side_by_side_share_batches_and_do_not_change_each_other() -> None:
    texts = [" ".join(random.Random(seed).sample(TEXT.split(), 12)) for seed in range(12)]
    tables = [candidate_table(text, TYPOS, Budget(max_edits=2)) for text in texts]
    loss = planted("better", "honest")
    together, of_all = attacked(loss, *tables)
    alone = [attacked(loss, table) for table in tables]
    assert together == list(chain.from_iterable(found for found, _ in alone))
    assert of_all.executed == sum(queries.executed for _, queries in alone)
    assert of_all.batches <= max(queries.batches for _, queries in alone) + 2  # in which one of them asked nothing new


def test_the_same_seed_gives_the_same_attack() -> None:
    table, loss = candidate_table(TEXT, TYPOS, Budget(max_edits=3)), trigram_loss(TEXT, 0)
    assert attacked(loss, table) == attacked(loss, table)


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.integers(-2, 3), min_size=4, max_size=7),
    threshold=st.integers(1, 7),
    most=st.integers(1, 3),
    queries=st.integers(2, 80),
)
def test_what_it_says_is_true(weights: list[int], threshold: int, most: int, queries: int) -> None:
    """Against all scripts of a small table, with a loss that may have several minima."""
    text = " ".join(f"word{place}x" for place in range(len(weights)))
    table = candidate_table(text, [UPPER, STAR], Budget(max_edits=most))

    def loss(text: str) -> float:
        changed = [not word.startswith("word") for word in text.split()]
        return float(np.dot(weights, changed)) - threshold + 0.5

    [found], total = attacked(loss, table, search=Search(queries=queries, width=4, beam=2))
    breaking = [script for size in range(1, most + 1) for script in table.scripts(size) if loss(script.perturbed) > 0]
    if found.state == "held":
        assert not (found.exact and breaking)
        assert total.executed <= queries
        return
    assert found.smallest is not None
    assert found.worst is not None
    for script in (found.smallest, found.worst):
        assert loss(script.perturbed) > 0
        assert table.allows(script)
    assert all(loss(found.smallest.without(place).perturbed) <= 0 for place in range(len(found.smallest)))
    if found.minimality == "smallest":
        assert len(found.smallest) == min(map(len, breaking))


def trigrams(text: str) -> float:
    """The sum of random weights of the letter trigrams."""
    padded = f"  {text}  "
    return float(sum(TRIGRAMS[zlib.crc32(padded[i : i + 3].encode()) % 4096] for i in range(len(padded) - 2)))


def trigram_loss(text: str, threshold: float) -> Loss:
    """Above 0 where edits bring a text to the other side of the threshold."""
    side = 1 if trigrams(text) > threshold else -1
    return lambda edited: -side * (trigrams(edited) - threshold)


def test_it_finds_more_than_random_scripts_do() -> None:
    """Of the same number of texts each, with a linear classifier of letter trigrams as the victim."""
    texts = [" ".join(WORDS[start : start + 12]) for start in range(0, 360, 12)]
    middle = float(np.median([trigrams(text) for text in texts]))
    ours, at_random = 0, 0
    for text in texts:
        table, loss = candidate_table(text, TYPOS, Budget(max_edits=3)), trigram_loss(text, middle)
        [found], _ = attacked(loss, table, search=Search(queries=100))
        ours += found.state == "broken"
        at_random += any(loss(script.perturbed) > 0 for script in _random_scripts(table, 100))
    assert ours >= at_random + 3


def _random_scripts(table: CandidateTable, count: int) -> list[EditScript]:
    drawn, edits = random.Random(0), list(table)
    return [table.script(drawn.sample(edits, 3)) for _ in range(count)]


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"beam": 1.5}, {"width": True}])
def test_a_search_that_tries_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="expected a whole number"):
        Search(**wrong)
