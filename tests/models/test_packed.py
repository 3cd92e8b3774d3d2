"""Packing: the same log-probabilities as one window at a time, on every architecture, or a fall back that says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from pytest_llm.models import packed, packed_attention, packing_probe, transformers_model, tree_attention
from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import Budget
from pytest_llm.models.packed import distributions_packed, head_log_probs, scores_packed
from pytest_llm.models.packed_attention import CannotPack
from pytest_llm.models.packing_probe import reason_not_to_pack
from pytest_llm.models.plain import distributions_alone, scores_in_batches
from pytest_llm.models.transformers_model import TransformersModel
from tests.old_releases import PACKS_LESS

SIZES: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**GROUPED)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**GROUPED)),
    "llama, tied head": (LlamaForCausalLM, LlamaConfig(**GROUPED, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**GROUPED, head_dim=16)),
    "phi, bias in the head": (PhiForCausalLM, PhiConfig(**SIZES, intermediate_size=64)),
    "mistral": (MistralForCausalLM, MistralConfig(**GROUPED, sliding_window=None)),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=4)),
    "gpt_neox": (GPTNeoXForCausalLM, GPTNeoXConfig(**SIZES, intermediate_size=64)),
    "opt": (OPTForCausalLM, OPTConfig(**SIZES, ffn_dim=64, word_embed_proj_dim=32)),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**GROUPED, head_dim=8)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**GROUPED, head_dim=8)),
    "falcon": (FalconForCausalLM, FalconConfig(**SIZES, alibi=False)),
    "bloom": (BloomForCausalLM, BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=4)),
    "mamba": (MambaForCausalLM, MambaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2)),
}
FALL_BACK = {"gemma2", "falcon", "bloom", "mamba"} | PACKS_LESS


class AnyTokenizer:
    """As much of a tokenizer as scoring windows needs."""

    bos_token_id = eos_token_id = 0

    def __len__(self) -> int:
        return 300


def fresh(kind: Any, config: Any) -> Any:
    torch.manual_seed(1)
    return kind(config).eval()


def build(architecture: str) -> Any:
    kind, config = ARCHITECTURES[architecture]
    model = fresh(kind, deepcopy(config))
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
    expected = [answer for window in given_windows for answer in scores_in_batches(module, [window], Budget(1024))]
    for answer, reference in zip(scored, expected, strict=True):
        assert answer == pytest.approx(reference.double().numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_which_architectures_are_packed(architecture: str) -> None:
    assert (reason_not_to_pack(build(architecture), 2048) == "") == (architecture not in FALL_BACK)


def test_the_reason_to_fall_back_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    model = TransformersModel(build("gemma2"), AnyTokenizer(), name="gemma")
    with caplog.at_level("INFO", "pytest_llm"):
        model.score_windows(windows([8]))
        model.score_windows(windows([8]))
    assert [record.getMessage() for record in caplog.records] == [
        "gemma is asked in batches, not packed: CannotPack: attention is given softcap"
    ]


def test_a_window_longer_than_the_attention_slides_is_not_packed() -> None:
    kind, _ = ARCHITECTURES["mistral"]
    module = fresh(kind, MistralConfig(**GROUPED, sliding_window=50))
    model = TransformersModel(module, AnyTokenizer())
    short, long = windows([40, 20]), windows([90, 20])
    assert len(scores_packed(module, short, Budget(1024))) == 2
    with pytest.raises(CannotPack, match="slides over 50 tokens"):
        scores_packed(module, long, Budget(1024))
    model.score_windows(short)
    for answer, window in zip(model.score_windows(long), long, strict=True):
        assert answer == pytest.approx(scores_in_batches(module, [window], Budget(1024))[0].numpy(), rel=1e-4, abs=1e-4)


def test_attention_that_only_the_mask_limits_is_not_packed_beyond_its_reach() -> None:
    module = build("llama")
    module.config.attention_chunk_size = 50  # as in Llama 4: nothing of it reaches the attention function
    assert len(scores_packed(module, windows([51, 20]), Budget(1024))) == 2
    with pytest.raises(CannotPack, match="is cut into chunks of 50 tokens"):
        scores_packed(module, windows([52, 20]), Budget(1024))


@pytest.mark.parametrize("kind", ["longrope", "dynamic"])
def test_positions_that_depend_on_a_rows_longest_text_are_not_packed_beyond_what_is_known(kind: str) -> None:
    """Phi-3 turns to other frequencies for the whole row as soon as one of its texts is long."""
    rotary: dict[str, Any] = {"rope_type": kind, "rope_theta": 1e4, "factor": 4.0}
    rotary |= {"short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0]} if kind == "longrope" else {}
    rotary["original_max_position_embeddings"] = 100
    config = LlamaConfig(**GROUPED, max_position_embeddings=400, rope_parameters=rotary)
    model = TransformersModel(fresh(LlamaForCausalLM, config), AnyTokenizer())
    for given_windows in (windows([40, 101]), windows([40, 102, 200])):
        for answer, window in zip(model.score_windows(given_windows), given_windows, strict=True):
            (expected,) = scores_in_batches(model.module, [window], Budget(1024))
            assert answer == pytest.approx(expected.double().numpy(), abs=1e-4)
    assert len(scores_packed(model.module, windows([40, 101]), Budget(1024))) == 2
    with pytest.raises(CannotPack, match="beyond 100 tokens its positions depend on the longest text of a row"):
        scores_packed(model.module, windows([40, 102]), Budget(1024))


@pytest.mark.parametrize("length", [2, 16, 50])
def test_a_context_shorter_than_the_probe_is_probed_within_its_length(length: int) -> None:
    module = fresh(GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=4, n_positions=length))
    model = TransformersModel(module, AnyTokenizer())
    assert reason_not_to_pack(module, model.max_length) == ""
    assert [len(answer) for answer in model.score_windows(windows([length + 1, 2]))] == [length, 1]


def test_whole_distributions_fall_back_as_scores_do() -> None:
    model = TransformersModel(fresh(MistralForCausalLM, MistralConfig(**GROUPED, sliding_window=50)), AnyTokenizer())
    given_windows = windows([90, 20])
    for found, expected in zip(
        model.next_token_log_probs(given_windows), distributions_alone(model.module, given_windows), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_no_windows_give_no_answers(tiny: TransformersModel) -> None:
    assert tiny.score_windows([]) == tiny.next_token_log_probs([]) == tiny.score_pairs([]) == []
    assert scores_packed(tiny.module, [], Budget(64)) == distributions_packed(tiny.module, [], Budget(64)) == []


def halve_logits(module: Any, given: Any, output: Any) -> None:
    output.logits = output.logits / 2


def halve(module: Any, given: Any, output: torch.Tensor) -> torch.Tensor:
    return output / 2


def drop_the_first_place(module: Any, given: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.cat([0 * output[:, :1], output[:, 1:]], dim=1)


@pytest.mark.parametrize(
    ("part", "hook"), [("", halve_logits), ("lm_head", halve), ("model.layers.1.mlp", drop_the_first_place)]
)
def test_a_hook_that_comes_after_the_probe_is_heard(tiny: TransformersModel, part: str, hook: Any) -> None:
    """In a packed row the first place is that of the first window only."""
    model = TransformersModel(tiny.module, tiny.tokenizer)
    given_windows = windows([30, 12], vocabulary=2000)
    before = np.concatenate(model.score_windows(given_windows))
    handle = tiny.module.get_submodule(part).register_forward_hook(hook)
    try:
        found = np.concatenate(model.score_windows(given_windows))
        expected = torch.cat(scores_in_batches(tiny.module, given_windows, Budget(1024))).numpy()
    finally:
        handle.remove()
    assert found == pytest.approx(expected, abs=1e-4)
    assert np.abs(found - before).max() > 0.1
    assert np.concatenate(model.score_windows(given_windows)) == pytest.approx(before, abs=1e-4)


def test_a_window_too_long_to_pack_leaves_the_next_ones_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TransformersModel(fresh(MistralForCausalLM, MistralConfig(**GROUPED, sliding_window=70)), AnyTokenizer())
    model.score_windows(windows([90]))
    monkeypatch.setattr(transformers_model, "scores_in_batches", lambda *_: pytest.fail("it was not packed"))
    assert [len(answer) for answer in model.score_windows(windows([40, 20]))] == [39, 18]


def test_the_models_own_attention_comes_back(tiny: TransformersModel) -> None:
    before = tiny.module.config._attn_implementation
    scores_packed(tiny.module, windows([9, 3]), Budget(1024))
    assert tiny.module.config._attn_implementation == before
    with pytest.raises((RuntimeError, IndexError)):
        scores_packed(tiny.module, [Window((10**6, 10**6, 1), 2)], Budget(1024))  # no such token
    assert tiny.module.config._attn_implementation == before


def test_a_leak_between_windows_is_seen_by_the_probe(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls_of = tree_attention._calls_of

    def leaking(*arguments: Any) -> Iterator[tree_attention.Call]:
        for call in calls_of(*arguments):
            see = None if call.see is None else call.see | torch.ones_like(call.see).tril()
            yield tree_attention.Call(call.rows, call.keys, see)

    monkeypatch.setattr(tree_attention, "_calls_of", leaking)
    assert "on a probe its log-probabilities differ by" in reason_not_to_pack(tiny.module, 2048)


def test_a_beginning_that_is_not_carried_on_is_seen_by_the_probe(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches = tree_attention._stretches
    monkeypatch.setattr(tree_attention, "_stretches", lambda keys, places: 0 * stretches(keys, places[:1]))
    assert reason_not_to_pack(tiny.module, 2048)


def test_positions_that_run_on_are_seen_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    module = build("gpt2")
    read_row = packed_attention.read_row
    monkeypatch.setattr(
        packed_attention,
        "read_row",
        lambda module, tokens, positions, attention: read_row(module, tokens, torch.arange(len(tokens)), attention),
    )
    assert "on a probe its log-probabilities differ by" in reason_not_to_pack(module, 2048)


def test_logits_that_are_scaled_after_the_head_are_seen_by_the_probe() -> None:
    module = fresh(GraniteForCausalLM, GraniteConfig(**GROUPED, logits_scaling=0.1))
    assert "on a probe its log-probabilities differ by" in reason_not_to_pack(module, 2048)
    module.config.logits_scaling = module.model.config.logits_scaling = 1.0
    assert reason_not_to_pack(module, 2048) == ""


def test_a_difference_that_is_not_a_number_is_no_agreement(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        packing_probe,
        "scores_packed",
        lambda module, probe, budget: [torch.full((w.scored,), torch.nan) for w in probe],
    )
    assert "differ by nan" in reason_not_to_pack(tiny.module, 2048)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def module(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


def assert_as_plain(module: Any, given_windows: Sequence[Window], budget: Budget, tolerance: float = 1e-4) -> None:
    expected = [scores_in_batches(module, [window], Budget(1024))[0] for window in given_windows]
    found = scores_packed(module, given_windows, budget)
    assert [len(answer) for answer in found] == [window.scored for window in given_windows]
    for answer, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(answer, reference, rtol=tolerance, atol=tolerance)


def with_shared_beginnings() -> list[Window]:
    """A shared block, questions behind it, answers behind these; duplicates, and windows that are prefixes of others."""
    drawn = [window.tokens for window in windows([40, 20, 12, 3, 1, 5, 30])]
    block, questions, answers = drawn[0], drawn[1:3], drawn[3:]
    tokens = [block + question + answer for question in questions for answer in answers]
    tokens += [tokens[0], tokens[-1], block, block[:25], block + questions[0], block[:2]]
    return [Window(t, (1, len(t) - 1, (len(t) + 1) // 2)[n % 3]) for n, t in enumerate(tokens)]


@pytest.mark.parametrize("budget", [Budget(1), Budget(17), Budget(64), Budget(10**6), Budget(64, 7), Budget(9, 1)])
def test_windows_that_share_beginnings_score_as_the_plain_path_does(module: Any, budget: Budget) -> None:
    assert_as_plain(module, with_shared_beginnings(), budget)


parts = st.sampled_from([tuple(range(9)), (5,) * 20, (7, 8), (299,), tuple(range(30, 61)), (0,) * 9])
random_windows = st.lists(
    st.tuples(
        st.lists(parts, min_size=1, max_size=5).map(lambda chosen: (3, *(t for part in chosen for t in part))),
        st.integers(1, 120),
    ).map(lambda drawn: Window(drawn[0], min(drawn[1], len(drawn[0]) - 1))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(given_windows=random_windows, budget=st.builds(Budget, st.integers(1, 200), st.sampled_from([None, 1, 10, 64])))
def test_any_windows_score_as_the_plain_path_does(module: Any, given_windows: list[Window], budget: Budget) -> None:
    assert_as_plain(module, given_windows, budget)


def test_only_the_last_tokens_are_multiplied_with_the_head(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def count(hidden: torch.Tensor, head: Any, asked: Any, targets: Any) -> torch.Tensor:
        rows.extend(asked)
        return head_log_probs(hidden, head, asked, targets)

    monkeypatch.setattr(packed, "head_log_probs", count)
    long = windows([60, 50])
    scores_packed(module, [Window(window.tokens, 3) for window in long], Budget(1024))
    assert len(rows) == 6


def test_a_shared_beginning_is_read_once(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    read_row = packed_attention.read_row

    def count(module: Any, tokens: Sequence[int], *others: Any) -> torch.Tensor:
        read.append(len(tokens))
        return read_row(module, tokens, *others)

    monkeypatch.setattr(packed_attention, "read_row", count)
    question = windows([100])[0].tokens
    scores_packed(module, [Window((*question, answer, 1), 2) for answer in range(5)], Budget(1024))
    assert read == [100 + 5]


@pytest.mark.parametrize("width", [300, 2048, 2049, 4095])
def test_the_vocabulary_need_be_no_multiple_of_a_tile(width: int) -> None:
    module = fresh(LlamaForCausalLM, LlamaConfig(**{**GROUPED, "vocab_size": width}))
    given_windows = [Window((0, width - 1, 1, width - 1, min(width - 1, 2048), 2047 % width), 5)]
    assert_as_plain(module, given_windows, Budget(1024))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_scores_as_the_plain_path_does(precision: torch.dtype) -> None:
    module = fresh(LlamaForCausalLM, LlamaConfig(**GROUPED)).to(precision)
    assert reason_not_to_pack(module, 2048) == ""
    assert_as_plain(module, with_shared_beginnings(), Budget(64), tolerance=0.03)
    assert {answer.dtype for answer in scores_packed(module, windows([9]), Budget(64))} == {torch.float32}


@pytest.mark.parametrize("budget", [Budget(17), Budget(1024), Budget(64, 7)])
def test_distributions_are_the_models_own(module: Any, budget: Budget) -> None:
    given_windows = with_shared_beginnings()
    scores = scores_packed(module, given_windows, budget)
    found = distributions_packed(module, given_windows, budget)
    expected = distributions_alone(module, given_windows)
    for window, distributions, own, score in zip(given_windows, found, expected, scores, strict=True):
        assert distributions.shape == (window.scored, 300)
        torch.testing.assert_close(distributions, own, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(distributions.exp().sum(dim=1), torch.ones(window.scored))
        at_targets = distributions[torch.arange(window.scored), torch.tensor(window.tokens[-window.scored :])]
        torch.testing.assert_close(at_targets, score, rtol=1e-4, atol=1e-4)


@pytest.mark.slow  # test_quality.py holds the packed scores against transformers' own loss
@pytest.mark.smollm2
def test_smollm2_is_packed_and_agrees_with_the_plain_path(smollm2: TransformersModel) -> None:
    assert reason_not_to_pack(smollm2.module, 2048) == ""
    given_windows = windows([120, 33, 8, 61], vocabulary=49152)
    for answer, reference in zip(
        smollm2.score_windows(given_windows),
        scores_in_batches(smollm2.module, given_windows, Budget(1024)),
        strict=True,
    ):
        assert answer.sum() == pytest.approx(float(reference.double().sum()), rel=1e-5)
