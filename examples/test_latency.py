"""Limits on time, memory and size, of one request at a time.

    pytest examples/test_latency.py

The limits are wide, because these tests have to pass on any machine. For a service of your own, take what its users accept.
"""

import pytest

from pytest_llm import (
    Calibration,
    Generate,
    LanguageModel,
    assert_latency_below,
    assert_latency_no_regression,
    assert_model_size_below,
    assert_peak_memory_below,
    assert_throughput_above,
    embedded,
    load_examples,
    load_model,
)

OPENINGS = [" ".join(example.text.split()[:30]) for example in load_examples(embedded("data/held_out.jsonl"))[:20]]
ANSWER = Generate(max_tokens=8)  # short ones: this is a test of every pull request
PRODUCT = Calibration()  # of two matrices, timed beside the requests: a slower machine has more time


@pytest.fixture(scope="module")
def llm() -> LanguageModel:
    """On the CPU, whatever else this machine has: how many products a request takes depends on the kind of device."""
    return load_model("tiny-decoder", device="cpu")  # type: ignore[return-value]


def test_an_answer_does_not_take_long(llm: LanguageModel) -> None:
    assert_latency_below(llm, OPENINGS, 5_000, task=ANSWER, relative_to=PRODUCT)


def test_the_first_token_comes_soon(llm: LanguageModel) -> None:
    assert_latency_below(
        llm, OPENINGS[:10], 1_000, metric="time_to_first_token", quantile=0.5, task=ANSWER, relative_to=PRODUCT
    )


def test_tokens_follow_each_other_quickly(llm: LanguageModel) -> None:
    assert_throughput_above(llm, OPENINGS[:5], 0.005, task=ANSWER, relative_to=PRODUCT)


def test_a_request_fits_into_memory(llm: LanguageModel) -> None:
    assert_peak_memory_below(llm, OPENINGS[:5], "2GB", task=ANSWER)


def test_the_model_is_small(llm: LanguageModel) -> None:
    assert_model_size_below(llm, 2e6)


def test_the_model_is_not_slower_than_itself(llm: LanguageModel) -> None:
    """Here the baseline is the model itself; in a pull request it is the model of the main branch."""
    assert_latency_no_regression(llm, llm, OPENINGS[:10], tolerance="300%", task=ANSWER, blocks=10, pairs=2)
