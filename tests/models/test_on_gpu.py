"""What a GPU changes: kernels, memory, transfers. Everything else is tested on the CPU; here both have to agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pytest_llm import Decoding, Window, load_model, measure
from pytest_llm.data.embedded import embedded
from pytest_llm.data.loading import load_examples
from pytest_llm.models import tree_attention
from pytest_llm.models.memory import Budget
from pytest_llm.models.packed import scores_packed
from pytest_llm.models.plain import scores_in_batches
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.models.varlen_attention import Bounds, varlen_kernel, written_out

pytestmark = pytest.mark.llm_gpu

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 6e-2}


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    config: Any = LlamaConfig(
        vocab_size=5000,
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
    )
    model: Any = LlamaForCausalLM(config)
    return model.eval().cuda()


@pytest.fixture(autouse=True)
def _float32_again(module: Any) -> Iterator[None]:
    yield
    module.float()


def windows(count: int = 40) -> list[Window]:
    """Of many lengths; every third one begins as the one before it does."""
    generator = torch.Generator().manual_seed(2)
    made: list[tuple[int, ...]] = []
    for number in range(count):
        length = int(torch.randint(2, 600, (1,), generator=generator))
        tokens = tuple(torch.randint(0, 5000, (length,), generator=generator).tolist())
        made.append((*made[-1][:150], *tokens) if number % 3 == 2 else tokens)
    return [Window(tokens, len(tokens) - 1) for tokens in made]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [64, 80])
def test_a_kernel_serves_each_type_and_equals_its_twin(dtype: torch.dtype, width: int) -> None:
    generator = torch.Generator().manual_seed(3)
    rows, keys = (1, 200, 3, 64), (300, 200, 77, 64)
    shapes = [(1, 6, sum(rows), width), *([(1, 2, sum(keys), width)] * 2)]
    query, key, value = (torch.randn(shape, generator=generator).to("cuda", dtype) for shape in shapes)
    kernel = varlen_kernel(query, key)
    assert kernel is not None
    bounds = Bounds.of(rows, keys, query.device)
    expected = written_out(query.double(), key.double(), value.double(), bounds, 0.1)
    found = kernel(query, key, value, bounds, 0.1).double()
    torch.testing.assert_close(found, expected, rtol=0, atol={torch.float32: 1e-5}.get(dtype, 2e-2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tokens", [300, 8192])
def test_packed_scores_are_the_plain_ones(module: Any, dtype: torch.dtype, tokens: int) -> None:
    module.to(dtype)
    packed = scores_packed(module, windows(), Budget(tokens))
    plain = scores_in_batches(module, windows(), Budget(8192))
    assert float((torch.cat(packed) - torch.cat(plain)).abs().mean()) < TOLERANCE[dtype]


def test_without_a_kernel_the_scores_are_the_same(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_one = torch.cat(scores_packed(module, windows(), Budget(4096)))
    monkeypatch.setattr(tree_attention, "varlen_kernel", lambda query, key: None)
    torch.testing.assert_close(torch.cat(scores_packed(module, windows(), Budget(4096))), with_one, atol=1e-4, rtol=0)


def test_nothing_is_read_back_while_windows_are_scored(module: Any) -> None:
    scores_packed(module, windows(), Budget(1024))  # what is tried once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        scores_packed(module, windows(), Budget(1024))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_where_memory_runs_out_half_as_much_is_read_at_once(module: Any) -> None:
    budget = Budget(2**17)
    expected = torch.cat(scores_packed(module, windows(), Budget(2048)))
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 60e6) / free)
    try:
        found = torch.cat(scores_packed(module, windows(), budget))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert budget.tokens < 2**17
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_peak_memory_is_bounded_however_much_there_is_to_score(module: Any) -> None:
    peaks = []
    for count in (40, 240):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        scores_packed(module, windows(count), Budget(2048))
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 1.1 * peaks[0] + 2**21  # the answers themselves


def prompts() -> Sequence[str]:
    return [
        example.text[: 40 + 37 * number]
        for number, example in enumerate(load_examples(embedded("data/held_out.jsonl")))
    ]


def test_texts_are_those_written_one_at_a_time() -> None:
    model = load_model("tiny-decoder", device="cuda")
    decoding = Decoding(max_tokens=24)
    assert isinstance(model, TransformersModel)
    alone = [model.write_alone(prompt, decoding) for prompt in prompts()]
    assert model.generate(prompts(), decoding) == alone


def test_the_device_changes_no_perplexity() -> None:
    values = [
        measure(load_model("tiny-decoder", device=device), embedded("data/held_out.jsonl"), "perplexity").value
        for device in ("cpu", "cuda")
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-5)


def test_one_bit_of_a_weight_changes_the_fingerprint() -> None:
    model = load_model("tiny-decoder", device="cuda")
    assert isinstance(model, TransformersModel)
    before = model.fingerprint()
    assert model.fingerprint() == before
    model.module.model.norm.weight.data.view(torch.int32)[7] ^= 1
    assert model.fingerprint() != before


def test_peak_device_memory_is_more_than_the_weights() -> None:
    model = load_model("tiny-decoder", device="cuda")
    assert isinstance(model, TransformersModel)
    weights = sum(parameter.numel() * 4 for parameter in model.module.parameters())
    found = measure(model, prompts()[:10], "peak_device_memory").value
    assert weights < found < 100 * weights
