"""Typos of one word."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.perturbations.character import NEIGHBOURS, double, drop, neighbour_key, swap


def test_each_kind_of_slip() -> None:
    assert list(swap("movie")) == ["mvoie", "moive"]
    assert list(drop("movie")) == ["mvie", "moie", "move"]
    assert list(double("movie")) == ["moovie", "movvie", "moviie"]
    assert list(neighbour_key("Gold"))[:3] == ["Gild", "Gpld", "Gkld"]


@pytest.mark.parametrize("word", ["cat", "a1b2c3", "", "电影院里"[:1]])
def test_short_words_and_what_is_no_word_are_left_alone(word: str) -> None:
    assert [*swap(word), *drop(word), *double(word), *neighbour_key(word)] == []


def test_neighbours_touch_each_other_both_ways() -> None:
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    assert all(key in NEIGHBOURS[beside] for key, touching in NEIGHBOURS.items() for beside in touching)
