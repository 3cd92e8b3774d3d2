"""What `assert_recovery_above` takes, with stubs, predictions and a real model."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from pytest_llm import MisuseError, Outcome, QualityError, Window, assert_recovery_above, embedded, load_examples
from pytest_llm.inference.memo import remembering
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording
from tests.stub_models import UniformModel

TEXTS = ["a" * n for n in range(3, 43)]
ROWS = [{"id": str(n), "text": str(n), "target": "a"} for n in range(40)]
RIGHT = ["a"] * 40


class Windowed(UniformModel):
    """Reads windows of at most 50 characters, and can be known again."""

    max_length = 50
    prefix_token = 0

    def fingerprint(self) -> float:
        return self.size

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(character) for character in text] for text in texts]

    def score_windows(self, windows: Sequence[Window]) -> list[list[float]]:
        self.calls.append([str(window.tokens) for window in windows])
        return [[-math.log(self.size)] * window.scored for window in windows]


def test_recovery_of_a_perplexity_decides() -> None:
    measured = assert_recovery_above(UniformModel(8), UniformModel(7.84), TEXTS, "perplexity", 0.97)
    assert measured.value == pytest.approx(0.98)
    with pytest.raises(QualityError, match=r"^perplexity_recovery 0\.98 is not above 0\.99") as caught:
        assert_recovery_above(UniformModel(8), UniformModel(7.84), TEXTS, "perplexity", "99%")
    assert "perplexity 8, 7.84 of the base uniform" in str(caught.value)
    assert "recovery:base/candidate|perplexity|" in str(caught.value)


def test_it_is_not_rounded_before_it_is_compared() -> None:
    """0.945 is not 0.95, though it is in two digits."""
    base = ["a"] * 37 + ["b"] * 3
    assert_recovery_above(base, base, ROWS, "exact_match", 0.9999)
    with pytest.raises(QualityError, match=r"exact_match_recovery 0\.9459 is not above 0\.95"):
        assert_recovery_above(["b", "b", *base[2:]], base, ROWS, "exact_match", 0.95)


def test_a_better_model_recovers_more_than_all() -> None:
    assert assert_recovery_above(UniformModel(7), UniformModel(8), TEXTS, "perplexity", 1.1).value == pytest.approx(
        8 / 7
    )


def test_bits_and_perplexities_are_different_shares() -> None:
    """A character is a byte here: log₂ 7 bits after log₂ 6, where the perplexities are 7 and 6."""
    bits = assert_recovery_above(UniformModel(7), UniformModel(6), TEXTS, "bits_per_byte", 0.9)
    assert bits.value == pytest.approx(math.log(6) / math.log(7))
    with pytest.raises(QualityError, match=r"byte_perplexity_recovery 0\.8571 is not above 0\.9"):
        assert_recovery_above(UniformModel(7), UniformModel(6), TEXTS, "byte_perplexity", 0.9)


def test_proof_is_asked_for_with_confidence() -> None:
    right = ["a"] * 36 + ["b"] * 4
    one_worse = ["b", *right[1:]]
    assert_recovery_above(one_worse, right, ROWS, "exact_match", 0.95)
    with pytest.raises(QualityError, match=r"exact_match_recovery 0\.9722 is not proven above 0\.95: the 95 % lower"):
        assert_recovery_above(one_worse, right, ROWS, "exact_match", 0.95, confidence=0.95)
    assert_recovery_above(one_worse, right, ROWS, "exact_match", 0.9, confidence=0.95)


def test_of_the_base_nothing_is_reported() -> None:
    with recording() as recorder:
        measured = assert_recovery_above(UniformModel(8), UniformModel(8), TEXTS, "perplexity", 0.97)
    assert [m.metric for m in recorder.measurements] == ["perplexity", "perplexity_recovery"]
    assert recorder.measurements[1] is measured
    assert [verdict.outcome for verdict in recorder.verdicts] == [Outcome.PASSED]


def test_the_base_is_asked_once_a_session() -> None:
    base = Windowed(8)
    with remembering():
        for size in (8.1, 8.2):
            assert_recovery_above(Windowed(size), base, TEXTS, "perplexity", 0.9)
    assert len(base.calls) == 1


def test_rows_that_can_be_read_once_are_read_for_both() -> None:
    assert assert_recovery_above(UniformModel(8), UniformModel(8), iter(TEXTS), "perplexity", 0.9).n == 40


def test_what_belongs_together_is_one_unit() -> None:
    rows = [{**row, "dialogue": int(row["id"]) // 2} for row in ROWS]
    measured = assert_recovery_above(RIGHT, RIGHT, rows, "exact_match", 0.9, cluster="dialogue")
    assert measured.estimate is not None
    assert measured.estimate.units == 20


@pytest.mark.parametrize("share", [0, -0.5, 97, math.nan, "nearly all", True, None])
def test_a_share_that_is_none_is_refused_before_a_model_is_asked(share: Any) -> None:
    model = UniformModel(8)
    with pytest.raises(MisuseError, match=r"share=.*: expected a share"):
        assert_recovery_above(model, model, TEXTS, "perplexity", share)
    assert model.calls == []


def test_a_base_that_has_nothing_is_an_error() -> None:
    with pytest.raises(MisuseError, match=r"exact_match of the base is 0 on a list .*: there is no share of that"):
        assert_recovery_above(RIGHT, ["b"] * 40, ROWS, "exact_match", 0.9)


def test_models_that_are_measured_otherwise_cannot_be_compared() -> None:
    with pytest.raises(MisuseError, match=r"candidate and base cannot be compared: settings: "):
        assert_recovery_above(Windowed(8), UniformModel(8), TEXTS, "perplexity", 0.9)


def test_a_real_model_with_noise_on_its_weights_does_not_recover(tiny: TransformersModel) -> None:
    texts = [" ".join(example.text.split()[:30]) for example in load_examples(embedded("data/held_out.jsonl"))[:12]]
    module, random = copy.deepcopy(tiny.module), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.5 * weight.std() * torch.randn(weight.shape, generator=random))
    with pytest.raises(QualityError, match=r"perplexity_recovery 0\.\d+ is not above 0\.97") as caught:
        assert_recovery_above((module, tiny.tokenizer), tiny, texts, "perplexity", 0.97)
    assert caught.value.verdict.measurement.value < 0.5
    assert_recovery_above(tiny, tiny, texts, "perplexity", 0.97, confidence=0.95)
