"""Assertions about written texts: what a failure shows, and that a model is asked what the task says."""

from __future__ import annotations

import pytest

from pytest_llm import (
    Generate,
    MisuseError,
    QualityError,
    assert_bleu_above,
    assert_chrf_above,
    assert_meteor_above,
    assert_rouge_above,
    assert_ter_below,
    embedded,
    load_examples,
)
from tests.stub_models import UniformModel, Writer

ROWS = [
    {"id": "sun", "text": "die Sonne scheint hell", "target": "the sun is shining brightly"},
    {"id": "rain", "text": "es regnet seit gestern", "target": "it has been raining since yesterday"},
]
TASK = Generate("German: {text}\nEnglish:", filter="first_line")
WRITER = {
    "German: die Sonne scheint hell\nEnglish:": " the sun is shining brightly\nGerman: and more",
    "German: es regnet seit gestern\nEnglish:": " it rains",
}


def test_a_failure_shows_the_worst_text_beside_what_was_wanted() -> None:
    with pytest.raises(QualityError) as caught:
        assert_bleu_above(Writer(WRITER), ROWS, 90, task=TASK)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("bleu ")
    assert "is not above 90: under the limit by" in lines[0]
    (worst,) = (line for line in lines if line.startswith("  worst"))
    assert worst.endswith("rain  'it rains', wanted 'it has been raining since yesterday'")
    assert any("signature  bleu|nrefs:1|" in line and "|task:generate|prompt:plain-" in line for line in lines)


def test_what_the_model_wrote_is_judged_as_if_it_had_been_given() -> None:
    written = ["the sun is shining brightly", "it rains"]
    for check in (assert_bleu_above, assert_chrf_above, assert_rouge_above, assert_meteor_above):
        by_model, by_list = check(Writer(WRITER), ROWS, -1, task=TASK), check(written, ROWS, -1)
        assert by_model.value == by_list.value > 0
        assert by_model.outputs == by_list.outputs == tuple(written)


def test_without_a_task_the_model_continues_the_text() -> None:
    writer = Writer({row["text"]: row["target"] for row in ROWS})
    assert assert_ter_below(writer, ROWS, 1).value == 0
    assert writer.calls == [[row["text"] for row in ROWS]]


def test_of_several_references_the_first_is_shown_and_the_closest_counts() -> None:
    rows = [{"text": "a", "target": ["no such thing", "one two three four five"]}]
    assert_bleu_above(["one two three four five"], rows, 99, nrefs=2)
    with pytest.raises(MisuseError, match="example #0 has 2 references, but nrefs=1: pass nrefs=2"):
        assert_bleu_above(["one two three four five"], rows, 99)
    with pytest.raises(QualityError, match="wanted 'no such thing'"):
        assert_rouge_above(["six"], rows, 0.5)


def test_two_english_bibles_by_the_numbers_of_sacrebleu() -> None:
    import sacrebleu

    verses = load_examples(embedded("data/translation_es_en.jsonl"))
    old, new = ([verse.target[n] for verse in verses] for n in (0, 1))
    assert assert_bleu_above(old, new, 0).value == pytest.approx(sacrebleu.corpus_bleu(old, [new]).score, abs=1e-9)
    assert assert_chrf_above(old, new, 0).value == pytest.approx(sacrebleu.corpus_chrf(old, [new]).score, abs=1e-9)
    ter = assert_ter_below(old, new, 100, case_sensitive=True).value
    assert ter == pytest.approx(sacrebleu.corpus_ter(old, [new], case_sensitive=True).score, abs=1e-9)


def test_settings_reach_the_metric() -> None:
    shout = ["THE SUN IS SHINING BRIGHTLY"]
    assert assert_bleu_above(shout, ["the sun is shining brightly"], 99, lowercase=True).value == pytest.approx(100)
    assert assert_chrf_above(["a b"], ["a b"], 99, whitespace=True).signature.count("space:yes") == 1
    assert assert_rouge_above(["running"], ["runs"], 0.9, stemmer=True).value == 1
    assert assert_meteor_above(["今天"], ["今天"], 0.4, tokenize=list, gamma=0).value == 1
    with pytest.raises(MisuseError, match="tokenize='words'"):
        assert_bleu_above(shout, shout, 1, tokenize="words")


def test_a_model_that_writes_nothing_is_named_with_what_could() -> None:
    with pytest.raises(MisuseError, match=r"UniformModel cannot say .*generate\(prompts, decoding\).*by perplexity\)"):
        assert_bleu_above(UniformModel(), ROWS, 10)


def test_rows_without_a_target_are_refused() -> None:
    with pytest.raises(MisuseError, match="the target of example #0 is None"):
        assert_chrf_above(["a"], [{"text": "a"}], 10)
