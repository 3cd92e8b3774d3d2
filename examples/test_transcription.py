"""What a speech recogniser heard of 213 telephone prompts, compared with what was said. No model is asked."""

from collections.abc import Callable

import pytest

from pytest_llm import Columns, Measurement, assert_cer_below, assert_wer_below, embedded, load_examples

PROMPTS = load_examples(embedded("data/transcripts.jsonl"), columns=Columns(text="target"))
HEARD = [prompt.row["hypothesis"] for prompt in PROMPTS]


def test_three_words_in_four_are_heard() -> None:
    assert_wer_below(HEARD, PROMPTS, 0.3, transform="basic")  # 0.264
    assert_cer_below(HEARD, PROMPTS, 0.15, transform="basic")  # 0.116


def test_for_prompts_like_these_it_is_proven() -> None:
    assert_wer_below(HEARD, PROMPTS, 0.3, transform="basic", confidence=0.95)


def test_capitals_and_full_stops_count_unless_they_are_taken_out() -> None:
    """The recogniser writes neither; a failure shows word by word what it heard."""
    with pytest.raises(AssertionError, match=r"wer 0\.4324 is not below 0\.3"):
        assert_wer_below(HEARD, PROMPTS, 0.3)


@pytest.mark.llm_threshold(wer_below=0.3, wil_below=0.45)
def test_limits_in_the_marker(llm_measure: Callable[..., Measurement]) -> None:
    llm_measure("wer", PROMPTS, model=HEARD, transform="basic")
    llm_measure("wil", PROMPTS, model=HEARD, transform="basic")
