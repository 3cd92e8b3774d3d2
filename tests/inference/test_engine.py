"""The engine: how a model is asked, and what may not come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine, ask, ask_here, current_engine, using


class Listener:
    """Doubles what it is given, and remembers with what it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], dict[str, Any]]] = []

    def double(self, items: Sequence[int], **settings: Any) -> Iterator[int]:
        self.calls.append((list(items), settings))
        return (2 * item for item in items)


def test_all_is_asked_at_once() -> None:
    model = Listener()
    assert ask(model, "double", [3, 1, 2], base=7) == [6, 2, 4]
    assert model.calls == [([3, 1, 2], {"base": 7})]


def test_a_deterministic_engine_asks_one_thing_at_a_time() -> None:
    model = Listener()
    with using(Engine(deterministic=True)):
        assert ask(model, "double", [3, 1, 2], base=7) == [6, 2, 4]
    assert model.calls == [([item], {"base": 7}) for item in (3, 1, 2)]


@pytest.mark.parametrize("deterministic", [True, False])
def test_nothing_asked_is_nothing_answered(deterministic: bool) -> None:
    assert ask_here(Listener(), "double", [], {}, deterministic=deterministic) == []


class Answers:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def reply(self, items: Sequence[Any]) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1], "Answers.reply returned 1 results for 2 texts"),
        ([1, 2, 3], "Answers.reply returned 3 results for 2 texts"),
        (iter([]), "Answers.reply returned 0 results for 2 texts"),
        (None, "Answers.reply returned None; expected one answer for each text"),
        (5, "Answers.reply returned 5; expected one answer for each text"),
    ],
)
def test_any_other_number_of_answers_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        ask(Answers(answer), "reply", ["a", "b"])


def test_one_at_a_time_each_gives_one_answer() -> None:
    with using(Engine(deterministic=True)), pytest.raises(MisuseError, match="returned 2 results for 1 texts"):
        ask(Answers([1, 2]), "reply", ["a", "b"])


def test_the_innermost_engine_counts_and_the_outer_one_comes_back() -> None:
    outer, inner = Engine(deterministic=True), Engine(processes=3)
    assert current_engine() == Engine()
    with using(outer):
        with using(inner):
            assert current_engine() is inner
        assert current_engine() is outer
        with using(None):
            assert current_engine() is outer
    assert current_engine() == Engine()


def test_the_outer_engine_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), using(Engine(deterministic=True)):
        raise ZeroDivisionError
    assert current_engine() == Engine()


def test_what_is_no_engine_is_refused() -> None:
    with pytest.raises(MisuseError, match="engine='fast': expected an Engine"), using("fast"):  # type: ignore[arg-type]
        pytest.fail("it was entered")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"processes": 0}, "processes=0: expected a whole number, at least 1"),
        ({"processes": -2}, "processes=-2: expected a whole number"),
        ({"processes": 2.0}, "processes=2.0: expected a whole number"),
        ({"processes": True}, "processes=True: expected a whole number"),
        ({"processes": 3, "devices": ("cuda:0", "cuda:1")}, "processes=3 and 2 devices: there is one process for each"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Engine(**settings)


@pytest.mark.parametrize(
    ("engine", "workers"),
    [
        (Engine(), 0),
        (Engine(deterministic=True), 0),
        (Engine(processes=1), 0),
        (Engine(processes=4), 4),
        (Engine(devices=("cpu",)), 1),  # another device than the model's needs a process of its own
        (Engine(devices="cuda:0"), 1),  # type: ignore[arg-type]
        (Engine(devices=("cuda:0", "cuda:1")), 2),
        (Engine(processes=2, devices=["cuda:0", "cuda:1"]), 2),  # type: ignore[arg-type]
    ],
)
def test_there_are_as_many_workers_as_asked_for(engine: Engine, workers: int) -> None:
    assert engine.workers == workers
    assert hash(engine) == hash(engine)
