"""From Choose and Classify to scores: pairs are asked once, answers are checked, label words become probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pytest_llm import Choose, Classify, MisuseError, load_examples
from pytest_llm.inference.choosing import choose, classify
from pytest_llm.inference.memo import remembering
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.transformers_model import TransformersModel
from tests.stub_models import Labeller, PairTable, UniformModel
from tests.tiny_checkpoints import TEXTS, tiny_t5

EXAMPLES = load_examples(
    [
        {"id": "0", "text": "q", "choices": ["x", "y y"], "target": 0},
        {"id": "1", "text": "q", "choices": ["y y", "zé"], "target": 0},
    ]
)
TABLE = {("q", " x"): [-1.0], ("q", " y y"): [-1.0, -2.0], ("q", " zé"): [-4.0]}
TASK = Choose("{text}")


def test_each_pair_is_asked_once_and_choices_keep_their_order() -> None:
    model = PairTable(TABLE)
    first, second = choose(model, EXAMPLES, TASK)
    assert model.calls == [[("q", " x"), ("q", " y y"), ("q", " zé")]]
    assert first.log_likelihoods.tolist() == [-1, -3]
    assert second.log_likelihoods.tolist() == [-3, -4]


def test_lengths_are_those_of_the_choice_without_the_delimiter() -> None:
    _, scores = choose(PairTable(TABLE), EXAMPLES, TASK)
    lengths = [scores.characters, scores.bytes, scores.tokens]
    assert [None if length is None else length.tolist() for length in lengths] == [[3, 2], [3, 3], [2, 1]]


def test_answers_are_remembered_between_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = PairTable(TABLE)
    monkeypatch.setattr(model, "fingerprint", lambda: "state", raising=False)
    with remembering():
        choose(model, EXAMPLES, TASK)
        classify(model, EXAMPLES, Classify(["x", "zé"], "{text}"))
    assert len(model.calls) == 1


class Wrong:
    def __init__(self, given: Any) -> None:
        self.given = given

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Any:
        return self.given

    def classify(self, texts: Sequence[str]) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[-1.0]] * 2, "returned 2 results for 3 texts"),
        (None, "returned None"),
        ([[-1.0], [], [-1.0]], r"returned \[\] for 0; expected one log-probability per token"),
        ([[-1.0], [-1.0], [[-1.0]]], "for 1; expected one log-probability per token"),
        ([[-1.0], [-1.0], [0.5]], "a token of 1 the log-probability 0.5; none can exceed 0"),
    ],
)
def test_scores_that_are_none_are_refused_with_the_example(given: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        choose(Wrong(given), EXAMPLES, TASK)


def test_nan_and_probability_0_are_passed_on() -> None:
    model = PairTable({("q", " x"): [math.nan], ("q", " y y"): [-math.inf]})
    (scores,) = choose(model, EXAMPLES[:1], TASK)
    assert scores.log_likelihoods == pytest.approx([math.nan, -math.inf], nan_ok=True)


def test_the_end_of_an_answer_is_not_scored() -> None:
    """An encoder-decoder scores it by default; lm-evaluation-harness and causal models do not."""
    model = EncoderDecoderModel(*tiny_t5())
    rows = load_examples([{"text": TEXTS[0], "choices": [TEXTS[2], TEXTS[3]]}])
    (scores,) = choose(model, rows, Choose("{text}", delimiter=""))
    expected = [float(np.sum(a)) for a in model.score_pairs([(TEXTS[0], TEXTS[n]) for n in (2, 3)], score_eos=False)]
    assert scores.log_likelihoods.tolist() == pytest.approx(expected)


def test_probabilities_of_label_words_are_those_among_each_other() -> None:
    model = PairTable({("q", " x"): [-800.0], ("q", " y"): [-800.0 - math.log(3)]})  # exp(−800) is 0 in floating point
    ((output,)) = classify(model, load_examples(["q"]), Classify({"no": "y", "yes": "x"}, "{text}"))
    assert output == pytest.approx({"yes": 0.75, "no": 0.25})
    assert list(output) == ["yes", "no"]


def test_a_head_gives_labels_with_or_without_probabilities() -> None:
    model = Labeller({"a": {"x": 0.25, "y": 0.75}, "b": "x", "c": np.int64(3)})
    first, second, third = classify(model, load_examples(["a", "b", "c"]), Classify())
    assert list(first.items()) == [("y", 0.75), ("x", 0.25)]
    assert (second, third) == ({"x": 1.0}, {3: 1.0})


def test_a_head_is_asked_once_in_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Labeller({"a": "x"})
    monkeypatch.setattr(model, "fingerprint", lambda: "state", raising=False)
    with remembering():
        for _ in range(2):
            assert classify(model, load_examples(["a"]), Classify()) == [{"x": 1.0}]
    assert model.calls == [["a"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["x"], r"Wrong\.classify returned 1 results for 2 texts"),
        (None, r"Wrong\.classify returned None"),
        ([{"x": 1.0}, {}], r"Wrong\.classify gave no label for #1"),
    ],
)
def test_labels_that_are_none_are_refused(given: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        classify(Wrong(given), load_examples(["a", "b"]), Classify())


def test_a_model_without_the_method_is_named_with_what_could() -> None:
    with pytest.raises(MisuseError, match=r"UniformModel cannot say how probable an answer is"):
        choose(UniformModel(), EXAMPLES, TASK)
    with pytest.raises(MisuseError, match=r"UniformModel cannot say which label a text has"):
        classify(UniformModel(), EXAMPLES, Classify())


def test_a_real_model_scores_the_choice_after_its_prompt(tiny: TransformersModel) -> None:
    import torch

    rows = load_examples([{"text": "It was a", "choices": ["truth universally acknowledged", "lie"], "target": 0}])
    (scores,) = choose(tiny, rows, TASK)
    for choice, score in zip(rows[0].row["choices"], scores.log_likelihoods, strict=True):
        before = len(tiny.tokenizer("It was a")["input_ids"])
        ids = torch.tensor([tiny.tokenizer(f"It was a {choice}")["input_ids"]])
        with torch.no_grad():
            log_probs = torch.log_softmax(tiny.module(ids).logits[0].double(), dim=-1)
        own = sum(float(log_probs[place - 1, ids[0, place]]) for place in range(before, ids.shape[1]))
        assert score == pytest.approx(own, rel=1e-5)
