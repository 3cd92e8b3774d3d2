"""Settings of timed and watched requests, and those that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Timed, Watched


@pytest.mark.parametrize("kind", [Timed, Watched])
def test_what_is_asked_by_default_is_the_text_itself(kind: Any) -> None:
    assert kind().generate == Generate("{text}", filter="none", max_tokens=32)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Timed, {"warmup": -1}, "warmup=-1: expected a whole number, at least 0"),
        (Timed, {"rounds": 0}, "rounds=0: expected a whole number, at least 1"),
        (Timed, {"rounds": True}, "rounds=True: expected a whole number"),
        (Timed, {"generate": "Say it"}, r"task='Say it': expected Generate\(…\)"),
        (Watched, {"warmup": 1.5}, r"warmup=1\.5: expected a whole number, at least 0"),
        (Watched, {"place": "gpu"}, "place='gpu': expected 'host', 'device' or None"),
        (Watched, {"generate": None}, r"task=None: expected Generate\(…\)"),
    ],
)
def test_settings_without_a_meaning_are_refused(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        kind(**settings)


def test_a_beam_search_has_no_first_token() -> None:
    beams = Generate(beams=2)
    with pytest.raises(MisuseError, match="beams=2: no token of a beam search is certain before the last"):
        Timed(beams, tokens=True)
    Timed(beams)  # whole answers it has


def test_signatures_say_what_changes_the_number() -> None:
    task = Timed(Generate(max_tokens=9), warmup=4, rounds=5)
    assert task.signature.startswith("rounds:5|warmup:4|task:generate|")
    assert "max_tokens:9" in task.signature
    assert Watched(warmup=7).signature.startswith("warmup:7|task:generate|")
