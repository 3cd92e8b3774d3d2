"""Writing many texts at once: each as if it were written alone, whoever enters and leaves beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from pytest_llm.models import continuous_batching
from pytest_llm.models.continuous_batching import SlotAttention, Text, bytes_of_keys, write_texts
from pytest_llm.models.decoding import greedy
from pytest_llm.models.memory import Budget
from pytest_llm.models.packed_attention import CannotPack
from pytest_llm.models.prefix_tree import Tokens
from pytest_llm.models.transformers_model import TransformersModel

SIZES: dict[str, Any] = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
ENDS = frozenset(range(1, 60, 6))
MAX_TOKENS = 14


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def module(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


def fresh(kind: Any, config: Any) -> Any:
    torch.manual_seed(3)
    return kind(config).eval()


@cache
def build(architecture: str) -> Any:
    if architecture == "gpt2":
        model: Any = fresh(GPT2LMHeadModel, GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4))
    else:
        model = fresh(LlamaForCausalLM, LlamaConfig(**SIZES, intermediate_size=64, num_key_value_heads=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model


@cache
def alone(architecture: str, prompt: Tokens, max_tokens: int) -> list[int]:
    """What the model's own `generate` writes."""
    written = build(architecture).generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=sorted(ENDS),
        pad_token_id=0,
    )
    rest: list[int] = written[0, len(prompt) :].tolist()
    return rest


def name_of(module: Any) -> str:
    return "gpt2" if isinstance(module, GPT2LMHeadModel) else "llama"


def ends(text: Text) -> bool:
    return text.written[-1] in ENDS


def together(module: Any, prompts: Sequence[Tokens], budget: Budget, max_tokens: int = MAX_TOKENS) -> list[list[int]]:
    return write_texts(module, prompts, max_tokens=max_tokens, choose=greedy, is_finished=ends, budget=budget)


def mixed_prompts() -> list[Tokens]:
    """Of one to forty tokens; duplicates, a long beginning that several share, one that is the beginning of another."""
    generator = torch.Generator().manual_seed(8)
    draw = [tuple(torch.randint(60, (n,), generator=generator).tolist()) for n in (1, 40, 5, 12, 2, 3, 9, 22, 6, 1, 30)]
    shared = draw[1]
    return [*draw, draw[0], draw[2], (*shared, 3, 4), (*shared, 5), shared[:20], shared + draw[3]]


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 32])
@pytest.mark.parametrize("budget", [Budget(1024), Budget(16), Budget(16, 6)])
def test_each_text_is_what_the_model_writes_alone(
    module: Any, slots: int, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": slots})
    prompts = mixed_prompts()
    expected = [alone(name_of(module), prompt, MAX_TOKENS) for prompt in prompts]
    lengths = {len(text) for text in expected}
    assert len(lengths) > 3  # or nobody leaves while others stay
    assert MAX_TOKENS in lengths
    assert together(module, prompts, budget) == expected


@settings(max_examples=12, deadline=None)
@given(
    chosen=st.lists(st.integers(0, 16), min_size=1, max_size=10),
    slots=st.integers(1, 6),
    tokens=st.integers(1, 100),
    per_call=st.integers(1, 4),
)
def test_neighbours_make_no_difference(module: Any, chosen: list[int], slots: int, tokens: int, per_call: int) -> None:
    prompts = [mixed_prompts()[index] for index in chosen]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": slots})
        patch.setattr(continuous_batching, "_SLOTS_PER_CALL", {"cpu": per_call})
        found = together(module, prompts, Budget(tokens), 6)
    assert found == [alone(name_of(module), prompt, 6) for prompt in prompts]


def test_one_token_is_written_without_a_step(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous_batching._Writer, "step", lambda self: pytest.fail("a step was made"))
    prompts = mixed_prompts()
    assert together(module, prompts, Budget(64), 1) == [alone(name_of(module), prompt, 1) for prompt in prompts]


def test_few_slots_are_refilled_several_at_a_time(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entering: list[int] = []
    begin = continuous_batching._Writer.begin

    def count(self: Any, texts: Sequence[Text]) -> None:
        entering.append(len(texts))
        assert len(self.texts) + len(texts) <= 8
        begin(self, texts)

    monkeypatch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": 8})
    monkeypatch.setattr(continuous_batching._Writer, "begin", count)
    together(module, mixed_prompts() * 2, Budget(64))
    assert sum(entering) == 2 * len(mixed_prompts())
    assert entering[0] == 8
    assert all(count >= 2 for count in entering[:-1])


def test_keys_take_no_more_memory_than_allowed(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(SlotAttention):
        def __init__(self, slots: int, capacity: int) -> None:
            made.append(slots)
            super().__init__(slots, capacity)

    monkeypatch.setattr(continuous_batching, "SlotAttention", Counted)
    prompts = mixed_prompts()
    room = (max(map(len, prompts)) + MAX_TOKENS) * bytes_of_keys(module)
    for allowed in (3 * room, room // 2):
        monkeypatch.setattr(continuous_batching, "BYTES_FOR_KEYS", allowed)
        together(module, prompts, Budget(64))
    assert made == [3, 1]  # one text is always written


def test_the_bytes_of_keys_are_those_of_all_layers_and_key_heads() -> None:
    assert bytes_of_keys(build("llama")) == 2 * 2 * 2 * 8 * 4
    assert bytes_of_keys(build("gpt2")) == 2 * 2 * 4 * 8 * 4


def test_memory_that_runs_out_amid_writing_costs_slots_and_no_text(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Failing(SlotAttention):
        def __init__(self, slots: int, capacity: int) -> None:
            made.append(slots)
            super().__init__(slots, capacity)

        def turn_to(self, lengths: Sequence[int], like: torch.Tensor) -> None:
            if len(lengths) > 3:
                raise torch.OutOfMemoryError("out of memory")
            super().turn_to(lengths, like)

    monkeypatch.setattr(continuous_batching, "SlotAttention", Failing)
    monkeypatch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": 12})
    prompts = mixed_prompts()
    budget = Budget(1024)
    assert together(module, prompts, budget) == [alone(name_of(module), prompt, MAX_TOKENS) for prompt in prompts]
    assert made == [12, 6, 3]
    assert budget.tokens == 256


def test_a_text_that_was_finished_before_memory_ran_out_is_not_written_again(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    begin, step = continuous_batching._Writer.begin, continuous_batching._Writer.step
    failures = iter([True])

    def listen(self: Any, texts: Sequence[Text]) -> None:
        begun.extend(text.index for text in texts)
        begin(self, texts)

    def fail_once(self: Any) -> None:
        if len(begun) > len(prompts) // 2 and next(failures, False):
            raise torch.OutOfMemoryError("out of memory")
        step(self)

    prompts = mixed_prompts()
    monkeypatch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": 4})
    monkeypatch.setattr(continuous_batching._Writer, "begin", listen)
    monkeypatch.setattr(continuous_batching._Writer, "step", fail_once)
    expected = [alone(name_of(module), prompt, MAX_TOKENS) for prompt in prompts]
    assert together(module, prompts, Budget(1024)) == expected
    assert set(begun) == set(range(len(prompts)))
    assert 0 < len(begun) - len(prompts) <= 4  # only those that were in a slot


def test_what_was_left_in_a_slot_is_not_seen() -> None:
    """NaN that lies behind a text's keys would spread even through a weight of 0."""
    attention = SlotAttention(2, 10)
    attention.fill(0, 0, (torch.randn(1, 1, 9, 4), torch.randn(1, 1, 9, 4)))
    attention.fill(0, 1, (torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4)))
    attention.turn_to([9, 2], like=torch.zeros(1))
    row = torch.ones(1, 1, 2, 4)
    attended = attention(0, row, row, row, None)
    assert attended.shape == (1, 1, 2, 4)
    torch.testing.assert_close(attended[0, 0, 1], torch.ones(4))


def test_query_heads_share_the_key_heads_in_order() -> None:
    attention = SlotAttention(1, 4)
    before = torch.randn(2, 1, 2, 3, 8)
    query, key, value = torch.randn(1, 6, 1, 8), torch.randn(1, 2, 1, 8), torch.randn(1, 2, 1, 8)
    attention.fill(0, 0, (before[0], before[1]))
    attention.turn_to([3], like=torch.zeros(1))
    keys, values = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, keys.repeat_interleave(3, 1), values.repeat_interleave(3, 1), scale=0.3
    )
    torch.testing.assert_close(attention(0, query, key, value, 0.3), expected)


def test_a_head_that_is_no_plain_layer_is_refused() -> None:
    class Adapted(torch.nn.Linear):
        pass

    module = fresh(LlamaForCausalLM, LlamaConfig(**SIZES, intermediate_size=64))
    module.lm_head = Adapted(32, 60, bias=False)
    with pytest.raises(CannotPack, match="the head is a Adapted, not a plain linear layer"):
        together(module, [(1, 2)], Budget(64))


def test_a_text_beyond_the_reach_of_attention_is_refused() -> None:
    module = fresh(LlamaForCausalLM, LlamaConfig(**SIZES, intermediate_size=64))
    module.config.sliding_window = 20
    assert together(module, [(1,) * (20 - MAX_TOKENS)], Budget(64))
    with pytest.raises(CannotPack, match="slides over 20 tokens"):
        together(module, [(1,) * 20], Budget(64))


def test_the_models_own_attention_comes_back(tiny: TransformersModel) -> None:
    before = tiny.module.config._attn_implementation
    together(tiny.module, [(1, 2, 3)], Budget(64), 2)
    assert tiny.module.config._attn_implementation == before
