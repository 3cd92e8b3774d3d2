"""How a model writes: settings that make no sense are refused, and whatever changes the text is in the signature."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.tasks.decoding import Decoding


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens=0: expected a whole number, at least 1"),
        ({"max_tokens": 2.0}, "max_tokens=2.0: expected a whole number"),
        ({"max_tokens": True}, "max_tokens=True: expected a whole number"),
        ({"max_tokens": None}, "max_tokens=None: expected a whole number"),
        ({"beams": 0}, "beams=0: expected a whole number, at least 1"),
        ({"beams": None}, "beams=None: expected a whole number"),
        ({"top_k": 0, "temperature": 1.0}, "top_k=0: expected a whole number, at least 1"),
        ({"temperature": -0.1}, r"temperature=-0.1: expected 0 \(greedy\) or a number of at least 0.001"),
        ({"temperature": 1e-4}, "temperature=0.0001: expected 0"),  # dividing by it would overflow
        ({"temperature": "hot"}, "temperature='hot': expected 0"),
        ({"temperature": None}, "temperature=None: expected 0"),
        ({"temperature": True}, "temperature=True: expected 0"),
        ({"temperature": math.inf}, "temperature=inf: expected 0"),
        ({"temperature": math.nan}, "temperature=nan: expected 0"),
        ({"top_p": 0.0, "temperature": 1.0}, r"top_p=0.0: expected a number in \(0, 1\]"),
        ({"top_p": 1.1, "temperature": 1.0}, "top_p=1.1: expected a number in"),
        ({"top_p": math.nan, "temperature": 1.0}, "top_p=nan: expected a number in"),
        ({"top_p": "most", "temperature": 1.0}, "top_p='most': expected a number in"),
        ({"top_p": True, "temperature": 1.0}, "top_p=True: expected a number in"),
        ({"seed": None}, "seed=None: expected a whole number"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"stop": None}, "stop=None: expected strings"),
        ({"top_k": 5}, "top_k and top_p draw at random: give a temperature above 0"),
        ({"top_p": 0.5}, "top_k and top_p draw at random: give a temperature above 0"),
        ({"beams": 2, "temperature": 1.0}, "leave temperature at 0 with them"),
        ({"stop": ""}, "expected strings that are not empty"),
        ({"stop": ("a", "")}, "expected strings that are not empty"),
        ({"stop": (1,)}, r"stop=\(1,\): expected strings"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Decoding(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 1, "top_k": 1, "top_p": 1},
        {"temperature": 0.3, "top_p": 1e-9},
        {"beams": 9},
        {"stop": ["\n"]},
    ],
)
def test_settings_that_make_sense_are_taken(settings: dict[str, Any]) -> None:
    assert Decoding(**settings) == Decoding(**settings)
    assert hash(Decoding(**settings)) == hash(Decoding(**settings))  # outputs are remembered under them


def test_one_stop_string_may_stand_alone() -> None:
    assert Decoding(stop="end").stop == ("end",)  # type: ignore[arg-type]
    assert Decoding(stop=["a", "b"]).stop == ("a", "b")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "signature"),
    [
        ({}, "decoding:greedy|max_tokens:64"),
        ({"max_tokens": 5, "stop": "\n"}, r"decoding:greedy|max_tokens:5|stop:('\n',)"),
        ({"beams": 4}, "decoding:beams-4|max_tokens:64"),
        ({"temperature": 0.7, "seed": 3}, "decoding:sample-t0.7-seed3|max_tokens:64"),
        (
            {"temperature": 1.0, "top_k": 50, "top_p": 0.9},
            "decoding:sample-t1.0-k50-p0.9-seed0|max_tokens:64",
        ),
    ],
)
def test_the_signature_names_the_settings(settings: dict[str, Any], signature: str) -> None:
    assert Decoding(**settings).signature == signature


def test_settings_that_write_other_texts_have_other_signatures() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"max_tokens": 5},
        {"stop": "a"},
        {"stop": "b"},
        {"stop": ("a", "b")},
        {"beams": 2},
        {"temperature": 1.0},
        {"temperature": 1.0, "seed": 1},
        {"temperature": 0.5},
        {"temperature": 0.5000001},
        {"temperature": 1.0, "top_k": 1234567},
        {"temperature": 1.0, "top_k": 1234568},
        {"temperature": 1.0, "top_k": 5},
        {"temperature": 1.0, "top_p": 0.5},
        {"temperature": 1.0, "top_k": 5, "top_p": 0.5},
    ]
    for one, other in combinations(settings, 2):
        assert Decoding(**one).signature != Decoding(**other).signature


def test_a_seed_that_is_not_used_is_not_named() -> None:
    assert Decoding(seed=5).signature == Decoding().signature


def test_equal_settings_have_equal_signatures() -> None:
    drawn = [Decoding(temperature=t, top_p=p) for t, p in ((1, 1), (1.0, 1.0), (np.float64(1), np.float64(1)))]
    assert len({decoding.signature for decoding in drawn}) == 1
    assert len(set(drawn)) == 1
