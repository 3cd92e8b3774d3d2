"""Packing: the same log-probabilities as one window at a time, on every architecture, or a fall back that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pytest_llm.models import packed
from pytest_llm.models.language_model import Window
from pytest_llm.models.packed import CannotPack, head_log_probs, plan_packs, scores_packed
from pytest_llm.models.transformers_model import TransformersModel, reason_not_to_pack, scores_in_batches

SIZES: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**GROUPED)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**GROUPED)),
    "mistral": (MistralForCausalLM, MistralConfig(**GROUPED, sliding_window=None)),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=4)),
    "gpt_neox": (GPTNeoXForCausalLM, GPTNeoXConfig(**SIZES, intermediate_size=64)),
    "opt": (OPTForCausalLM, OPTConfig(**SIZES, ffn_dim=64, word_embed_proj_dim=32)),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**GROUPED, head_dim=8)),
    "bloom": (BloomForCausalLM, BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=4)),
    "mamba": (MambaForCausalLM, MambaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2)),
}
PACKED = {"llama", "qwen2", "mistral", "gpt2", "gpt_neox", "opt"}


class AnyTokenizer:
    """As much of a tokenizer as scoring windows needs."""

    bos_token_id = eos_token_id = 0

    def __len__(self) -> int:
        return 300


def build(architecture: str) -> Any:
    kind, config = ARCHITECTURES[architecture]
    torch.manual_seed(1)
    model = kind(config).eval()
    with torch.no_grad():  # freshly initialised models hardly look at their context; make it matter
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def windows(lengths: Sequence[int], vocabulary: int = 300) -> list[Window]:
    generator = np.random.default_rng(5)
    return [
        Window(tuple(int(t) for t in generator.integers(0, vocabulary, length)), max(1, length - 1 - n % 4))
        for n, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_scores_as_its_plain_path_does(architecture: str) -> None:
    module = build(architecture)
    given_windows = windows([30, 2, 17, 64, 5, 64])
    scored = TransformersModel(module, AnyTokenizer()).score_windows(given_windows)
    expected = [answer for window in given_windows for answer in scores_in_batches(module, [window])]
    for answer, reference in zip(scored, expected, strict=True):
        assert answer == pytest.approx(reference.double().numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_which_architectures_are_packed(architecture: str) -> None:
    assert (reason_not_to_pack(build(architecture)) == "") == (architecture in PACKED)


def test_the_reason_to_fall_back_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    model = TransformersModel(build("gemma2"), AnyTokenizer(), name="gemma")
    with caplog.at_level("INFO", "pytest_llm"):
        model.score_windows(windows([8]))
        model.score_windows(windows([8]))
    assert [record.getMessage() for record in caplog.records] == [
        "gemma is scored in batches, not packed: CannotPack: attention is given softcap"
    ]


def test_a_window_longer_than_the_attention_slides_is_not_packed() -> None:
    kind, _ = ARCHITECTURES["mistral"]
    module = kind(MistralConfig(**GROUPED, sliding_window=50)).eval()
    model = TransformersModel(module, AnyTokenizer())
    short, long = windows([40, 20]), windows([90, 20])
    assert len(scores_packed(module, short)) == 2
    with pytest.raises(CannotPack, match="slides over 50 tokens"):
        scores_packed(module, long)
    model.score_windows(short)
    for answer, window in zip(model.score_windows(long), long, strict=True):
        assert answer == pytest.approx(scores_in_batches(module, [window])[0].numpy(), rel=1e-4, abs=1e-4)


def test_attention_that_only_the_mask_limits_is_not_packed_beyond_its_reach() -> None:
    module = build("llama")
    module.config.attention_chunk_size = 50  # as in Llama 4: nothing of it reaches the attention function
    assert len(scores_packed(module, windows([51, 20]))) == 2
    with pytest.raises(CannotPack, match="is cut into chunks of 50 tokens"):
        scores_packed(module, windows([52, 20]))


def test_the_models_own_attention_comes_back(tiny: TransformersModel) -> None:
    before = tiny.module.config._attn_implementation
    scores_packed(tiny.module, windows([9, 3]))
    assert tiny.module.config._attn_implementation == before
    with pytest.raises((RuntimeError, IndexError)):
        scores_packed(tiny.module, [Window((10**6, 10**6, 1), 2)])  # no such token
    assert tiny.module.config._attn_implementation == before


def test_a_leak_between_windows_is_seen_by_the_probe(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "pairwise", lambda bounds: [(bounds[0], bounds[-1])])  # one window of all
    assert "on a probe its log-probabilities differ by" in reason_not_to_pack(tiny.module)


def test_positions_that_run_on_are_seen_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    module = build("gpt2")
    monkeypatch.setattr(packed, "restarted_positions", lambda lengths: torch.arange(sum(lengths)))
    assert "on a probe its log-probabilities differ by" in reason_not_to_pack(module)


@given(st.lists(st.integers(1, 3000), max_size=60))
def test_each_window_is_packed_once_and_no_pack_overflows(lengths: list[int]) -> None:
    packs = plan_packs(lengths)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    for pack in packs:
        assert len(pack) == 1 or sum(lengths[index] for index in pack) <= packed.TOKENS_PER_PACK


@settings(max_examples=30)
@given(rows=st.integers(1, 40), vocabulary=st.integers(1, 70), bias=st.booleans(), seed=st.integers(0, 99))
def test_the_tiled_head_is_a_log_softmax(rows: int, vocabulary: int, bias: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    head = torch.nn.Linear(6, vocabulary, bias=bias)
    hidden = 5 * torch.randn(rows, 6, generator=generator)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_ROWS", 16)
        patch.setattr(packed, "_COLUMNS", 32)
        tiled = head_log_probs(hidden, head, targets)
        expected = torch.log_softmax(head(hidden).double(), dim=1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(tiled.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.smollm2
def test_smollm2_is_packed_and_agrees_with_the_plain_path(smollm2: TransformersModel) -> None:
    assert reason_not_to_pack(smollm2.module) == ""
    given_windows = windows([120, 33, 8, 61], vocabulary=49152)
    for answer, reference in zip(
        smollm2.score_windows(given_windows), scores_in_batches(smollm2.module, given_windows), strict=True
    ):
        assert answer.sum() == pytest.approx(float(reference.double().sum()), rel=1e-5)
