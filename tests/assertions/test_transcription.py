"""Assertions about transcripts: the numbers of jiwer, and an alignment of the worst ones."""

from __future__ import annotations

import jiwer
import pytest

from pytest_llm import (
    Columns,
    MisuseError,
    QualityError,
    assert_cer_below,
    assert_mer_below,
    assert_wer_below,
    assert_wil_below,
    embedded,
    load_examples,
)

PROMPTS = load_examples(embedded("data/transcripts.jsonl"), columns=Columns(text="target"))
SAID = [prompt.target for prompt in PROMPTS]
HEARD = [prompt.row["hypothesis"] for prompt in PROMPTS]


def test_real_transcripts_by_the_numbers_of_jiwer() -> None:
    words, characters = jiwer.process_words(SAID, HEARD), jiwer.process_characters(SAID, HEARD)
    assert assert_wer_below(HEARD, SAID, 1).value == pytest.approx(words.wer, abs=1e-12)
    assert assert_mer_below(HEARD, SAID, 1).value == pytest.approx(words.mer, abs=1e-12)
    assert assert_wil_below(HEARD, SAID, 1).value == pytest.approx(words.wil, abs=1e-12)
    assert assert_cer_below(HEARD, SAID, 1).value == pytest.approx(characters.cer, abs=1e-12)


def test_rows_are_the_same_as_the_references_alone() -> None:
    by_rows, by_list = assert_wer_below(HEARD, PROMPTS, 1), assert_wer_below(HEARD, SAID, 1)
    assert by_rows.value == by_list.value
    assert by_rows.examples[0].label == "agent-alreadyon"
    assert by_list.examples[0].label == "#0"


def test_a_failure_aligns_the_worst() -> None:
    with pytest.raises(QualityError) as caught:
        assert_wer_below(["turn the light on", "yes"], ["turn off the light", "yes"], 0.3)
    message = str(caught.value)
    assert message.startswith("wer 0.4 is not below 0.3: over the limit by 0.1 (33.3 %)")
    assert "worst            0.5  #0  'turn the light on', wanted 'turn off the light'" in message
    lines = message.splitlines()
    at = next(number for number, line in enumerate(lines) if "REF:" in line)
    reference, hypothesis, letters = lines[at : at + 3]
    assert reference.split() == ["REF:", "turn", "off", "the", "light", "**"]
    assert hypothesis.split() == ["HYP:", "turn", "***", "the", "light", "on"]
    assert letters.split() == ["D", "I"]


@pytest.mark.parametrize("check", [assert_wer_below, assert_cer_below, assert_mer_below, assert_wil_below])
def test_a_transform_takes_case_and_punctuation_out(check: type) -> None:
    assert check(["yes please"], ["Yes, please!"], 0.01, transform="basic").value == 0
    assert check(["yes please"], ["Yes, please!"], 0.01, transform=lambda text: "the same").value == 0
    with pytest.raises(QualityError, match=r"is not below 0\.01"):
        check(["yes please"], ["Yes, please!"], 0.01)


def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(MisuseError, match="holds nothing to be transcribed"):
        assert_wer_below(["uh"], ["..."], 1, transform="basic")
