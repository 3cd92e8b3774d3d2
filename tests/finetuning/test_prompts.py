"""Prompts in text: the best on training rows is taken, ties go to the first, and worked examples are drawn again alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_llm import Choose, Classify, Generate, MisuseError, Prompt
from pytest_llm.finetuning.prompts import choose_prompt, with_shots
from pytest_llm.recording import recording

ROWS = [{"id": str(n), "text": f"text {n}", "target": "ab"[n % 2]} for n in range(8)]


class Obedient:
    """Says the right word where the prompt asks politely, and else always the same."""

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        right = [" ab"[1 + int(re.findall(r"text (\d)", prompt)[-1]) % 2] for prompt, _ in pairs]
        heard = ["please" in prompt for prompt, _ in pairs]
        return [
            [-1.0 if word == (f" {wanted}" if listens else " a") else -5.0]
            for (_, word), wanted, listens in zip(pairs, right, heard, strict=True)
        ]


def test_the_prompt_that_does_best_is_taken_and_all_are_shown() -> None:
    candidates = [Classify(["a", "b"], "{text}:"), Classify(["a", "b"], "{text} please:")]
    with recording() as recorder:
        found = choose_prompt(Obedient(), ROWS, candidates, "accuracy")
    assert found.values == (0.5, 1.0)
    assert found.value == 1
    assert found.best is candidates[1]
    assert str(found).startswith(f"0 parameters trained; the best of 2 prompts has accuracy {found.value:.4g}")
    assert all(candidate.signature in str(found) for candidate in candidates)
    assert "→        1  '{text} please:', 0 shots" in str(found)
    assert not recorder.measurements  # what was tried is no result


def test_of_equals_the_first_is_taken() -> None:
    candidates = [Classify(["a", "b"], "{text}:"), Classify(["a", "b"], "{text} :")]
    assert choose_prompt(Obedient(), ROWS, candidates, "accuracy").best is candidates[0]


def test_a_metric_whose_fall_is_good_takes_the_lowest() -> None:
    class Echo:
        def generate(self, prompts: Sequence[str], decoding: Any) -> list[str]:
            return [prompt.rpartition(" ")[2] for prompt in prompts]

    rows = [{"text": f"say {word}", "target": word} for word in ("one", "two", "three")]
    candidates = [Generate("{text}, now"), Generate("{text}")]
    found = choose_prompt(Echo(), rows, candidates, "wer")
    assert found.values == (1.0, 0.0)
    assert found.best is candidates[1]


@pytest.mark.parametrize(
    "task",
    [
        Classify(["a", "b"], "{text}:"),
        Classify(["a", "b"], Prompt("{text}:")),
        Generate("{text}:"),
        Choose("{text}:", choices=["a", "b"]),
    ],
)
def test_worked_examples_are_drawn_from_training_rows_the_same_each_time(task: Any) -> None:
    made = list(with_shots(task, ROWS, (0, 2, 4), draws=3))
    prompts: list[Any] = [(one.choose if isinstance(one, Classify) else one).prompt for one in made]
    shots = [prompt.shots for prompt in prompts]
    assert [len(of_one) for of_one in shots] == [0, 2, 2, 2, 4, 4, 4]
    assert len({tuple(shot.id for shot in of_one) for of_one in shots}) == 7
    again = [one.signature for one in with_shots(task, ROWS, (0, 2, 4), draws=3)]
    assert again == [one.signature for one in made]
    assert len(set(again)) == 7


def test_what_cannot_be_chosen_from_is_refused() -> None:
    with pytest.raises(MisuseError, match="no candidates"):
        choose_prompt(Obedient(), ROWS, [], "accuracy")
    with pytest.raises(MisuseError, match="shots=9: there are 8 training rows"):
        list(with_shots(Classify(["a", "b"]), ROWS, [9]))
