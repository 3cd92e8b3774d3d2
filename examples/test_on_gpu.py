"""Tests that want hardware say so, and are skipped with the reason where it is missing.

With `pytest -n 4` each worker uses its own device, within the caller's CUDA_VISIBLE_DEVICES.
"""

import pytest

from pytest_llm import LanguageModel, assert_perplexity_below, embedded, load_model

HELD_OUT = embedded("data/held_out.jsonl")


@pytest.mark.llm_gpu
def test_on_any_gpu(llm: LanguageModel) -> None:
    assert_perplexity_below(llm, HELD_OUT, 60)


@pytest.mark.llm_gpu(memory="40GB", capability=(9, 0))
def test_bfloat16_on_a_large_recent_gpu(llm_devices: list[str]) -> None:
    model = load_model("tiny-decoder", device=llm_devices[0], dtype="bfloat16")
    assert_perplexity_below(model, HELD_OUT, 60)


@pytest.mark.llm_gpu(count=2)
def test_two_devices_agree(llm_devices: list[str]) -> None:
    first, second = (load_model("tiny-decoder", device=device) for device in llm_devices)
    value = assert_perplexity_below(first, HELD_OUT, 60).value
    assert assert_perplexity_below(second, HELD_OUT, 60).value == pytest.approx(value, rel=1e-4)


@pytest.mark.llm_nightly
def test_whole_novel(llm: LanguageModel) -> None:
    assert_perplexity_below(llm, embedded("data/northanger_abbey.jsonl"), 60)
