"""The implementation on transformers: precision, batches, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models import plain
from pytest_llm.models.language_model import LanguageModel, Window, WindowedModel
from pytest_llm.models.memory import Budget
from pytest_llm.models.plain import distributions_alone, scores_in_batches, target_log_probs
from pytest_llm.models.transformers_model import TransformersModel


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
    monkeypatch.setattr(plain, "_ROWS_PER_TILE", 3)
    assert torch.equal(target_log_probs(logits, targets), whole)


def windows_of(tiny: TransformersModel, lengths: Sequence[int]) -> list[Window]:
    tokens = tiny.encode(
        ["It is a truth universally acknowledged, that a single man in possession of a good fortune " * 20]
    )[0]
    return [Window(tuple(tokens[length : 2 * length]), max(1, length - 1 - n % 3)) for n, length in enumerate(lengths)]


def test_batches_give_what_single_windows_give(tiny: TransformersModel) -> None:
    windows = windows_of(tiny, [12, 5, 12, 12, 30, 5])
    together = scores_in_batches(tiny.module, windows, Budget(1024))
    alone = scores_in_batches(tiny.module, windows, Budget(1))
    for window, one, other in zip(windows, together, alone, strict=True):
        assert len(one) == window.scored
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_whole_distributions_agree_with_the_scores(tiny: TransformersModel) -> None:
    windows = windows_of(tiny, [12, 5, 30])
    model = TransformersModel(tiny.module, tiny.tokenizer)
    scores = model.score_windows(windows)
    for distributions in (model.next_token_log_probs(windows), distributions_alone(tiny.module, windows)):
        for window, of_window, score in zip(windows, distributions, scores, strict=True):
            assert of_window.shape == (window.scored, 2048)
            chosen = of_window[torch.arange(window.scored), torch.tensor(window.tokens[-window.scored :])]
            assert chosen.numpy() == pytest.approx(score, abs=1e-4)


def test_a_continuation_is_scored_given_its_context(tiny: TransformersModel) -> None:
    context, continuations = "It is a truth universally", [" acknowledged", " unknown", " it is"]
    scores = tiny.score_pairs([(context, continuation) for continuation in continuations])
    for continuation, score in zip(continuations, scores, strict=True):
        before, whole = (tuple(tiny.encode([text])[0]) for text in (context, context + continuation))
        (expected,) = scores_in_batches(tiny.module, [Window(whole, len(whole) - len(before))], Budget(1024))
        assert score == pytest.approx(expected.double().numpy(), abs=1e-4)


def test_the_context_length_is_the_longest_that_a_pair_may_have(tiny: TransformersModel) -> None:
    word = tiny.decode(tiny.encode([" the"])[0])
    fits = word * 256
    assert [len(score) for score in tiny.score_pairs([(fits, word)])] == [1]  # the last token is scored, not read
    with pytest.raises(MisuseError, match="have 258 tokens, more than the 256 that tiny-decoder can read: shorten it"):
        tiny.score_pairs([(fits + word, word)])


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
