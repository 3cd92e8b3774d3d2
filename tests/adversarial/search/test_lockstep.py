"""Attacks side by side: one call a round for all, each text once, and every attack gets its own answers."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.adversarial.counter_example import Queries
from pytest_llm.adversarial.search.lockstep import Asking, Scorer, in_lockstep


def asking(*rounds: Sequence[str]) -> Asking[list[Sequence[float]]]:
    answers: list[Sequence[float]] = []
    for texts in rounds:
        answers.append((yield texts))
    return answers


def test_each_round_is_one_call_of_the_model() -> None:
    calls: list[list[tuple[int, str]]] = []

    def ask(asked: Sequence[tuple[int, str]]) -> list[tuple[float, str]]:
        calls.append(list(asked))
        return [(place + len(text), text.upper()) for place, text in asked]

    scorer = Scorer(ask)
    found = in_lockstep([asking(["a", "bb"], ["ccc"]), asking(), asking(["a", "a"])], scorer)
    assert found == [[[1, 2], [3]], [], [[3, 3]]]
    assert calls == [[(0, "a"), (0, "bb"), (2, "a")], [(0, "ccc")]]
    assert scorer.known(2, "a") == (3.0, "A")
    assert scorer.queries(0) == Queries(3, 3, 2)
    assert scorer.queries(1) == Queries()
    assert scorer.queries(2) == Queries(2, 1, 1)
    assert scorer.total == Queries(5, 4, 2)


def test_what_is_known_is_not_asked_again() -> None:
    scorer = Scorer(lambda asked: [(float(len(text)), None) for _, text in asked])
    assert scorer.losses([(0, "abc")]) == [3.0]
    assert scorer.losses([(0, "abc")]) == [3.0]
    assert scorer.total == Queries(2, 1, 1)
