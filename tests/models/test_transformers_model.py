"""The implementation on transformers: precision, batches, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from pytest_llm.models import transformers_model
from pytest_llm.models.language_model import LanguageModel, Window, WindowedModel
from pytest_llm.models.transformers_model import TransformersModel, scores_in_batches, target_log_probs


def test_log_softmax_is_float32_whatever_the_logits_are() -> None:
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(1)).bfloat16()
    targets = torch.arange(5)
    expected = torch.log_softmax(logits.double(), dim=-1)[torch.arange(5), targets]
    assert target_log_probs(logits, targets).numpy() == pytest.approx(expected.numpy(), rel=1e-6)
    in_half_precision = torch.log_softmax(logits, -1)[torch.arange(5), targets].double()
    assert float((in_half_precision - expected).abs().max()) > 1e-3  # what is avoided


def test_a_very_unlikely_token_stays_finite() -> None:
    logits = torch.tensor([[0.0, -120.0]])  # softmax then log would underflow to −inf
    assert target_log_probs(logits, torch.tensor([1])).numpy() == pytest.approx([-120.0])


def test_tiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = torch.randn(10, 7), torch.arange(10) % 7
    whole = target_log_probs(logits, targets)
    monkeypatch.setattr(transformers_model, "_ROWS_PER_TILE", 3)
    assert torch.equal(target_log_probs(logits, targets), whole)


def windows_of(tiny: TransformersModel, lengths: Sequence[int]) -> list[Window]:
    tokens = tiny.encode(
        ["It is a truth universally acknowledged, that a single man in possession of a good fortune " * 20]
    )[0]
    return [Window(tuple(tokens[length : 2 * length]), max(1, length - 1 - n % 3)) for n, length in enumerate(lengths)]


def test_batches_give_what_single_windows_give(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = windows_of(tiny, [12, 5, 12, 12, 30, 5])
    together = scores_in_batches(tiny.module, windows)
    monkeypatch.setattr(transformers_model, "TOKENS_PER_BATCH", 1)
    alone = scores_in_batches(tiny.module, windows)
    for window, one, other in zip(windows, together, alone, strict=True):
        assert len(one) == window.scored
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_no_special_token_is_added_and_long_texts_pass_without_a_warning(
    tiny: TransformersModel, caplog: pytest.LogCaptureFixture
) -> None:
    assert tiny.tokenizer.bos_token_id not in tiny.encode(["word " * 1000])[0]
    assert not caplog.records


def test_it_is_a_windowed_model(tiny: TransformersModel) -> None:
    assert isinstance(tiny, WindowedModel)
    assert not isinstance(tiny, LanguageModel)
    assert (tiny.max_length, tiny.prefix_token) == (256, 0)


def test_it_says_what_it_is(tiny: TransformersModel) -> None:
    assert str(tiny.provenance) == "tiny-decoder (LlamaForCausalLM, 1.574 M parameters), float32 on cpu"


def test_dropout_is_off(tiny: TransformersModel) -> None:
    assert not TransformersModel(tiny.module.train(), tiny.tokenizer).module.training
