"""Typos of one word."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.perturbations.character import (
    NEIGHBOURS,
    TYPOS,
    case,
    diacritic,
    double,
    drop,
    leet,
    neighbour_key,
    scanned,
    swap,
)
from pytest_llm.adversarial.table import candidate_table


def test_each_kind_of_slip() -> None:
    assert list(swap("movie")) == ["mvoie", "moive"]
    assert list(drop("movie")) == ["mvie", "moie", "move"]
    assert list(double("movie")) == ["moovie", "movvie", "moviie"]
    assert list(neighbour_key("Gold"))[:3] == ["Gild", "Gpld", "Gkld"]
    assert list(case("Gold")) == ["gold", "Gold", "GOLD"]
    assert set(scanned("modern")) == {"rnodern", "modem", "moclern", "m0dern", "modcrn"}
    assert list(leet("test")) == ["7est", "t3st", "te5t", "te$t", "tes7"]
    assert list(diacritic("café")) == ["cafe"]
    assert list(diacritic("film")) == ["fílm", "fïlm"]


def test_slips_in_chinese() -> None:
    edits = {(edit.operation, edit.old, edit.new) for edit in candidate_table("我已在这里。", TYPOS)}
    assert {
        ("typo.han_swap", "已在", "在已"),
        ("typo.homophone", "在", "再"),
        ("typo.lookalike", "已", "己"),
    } <= edits
    assert not any("。" in old for _, old, _ in edits)


@pytest.mark.parametrize("word", ["cat", "a1b2c3", "", "电影院里"[:1]])
def test_short_words_and_what_is_no_word_are_left_alone(word: str) -> None:
    assert [*swap(word), *drop(word), *double(word), *neighbour_key(word)] == []


def test_neighbours_touch_each_other_both_ways() -> None:
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    assert all(key in NEIGHBOURS[beside] for key, touching in NEIGHBOURS.items() for beside in touching)
