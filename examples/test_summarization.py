"""A page of help in one sentence, compared by ROUGE with the sentence that its authors describe it with."""

import pytest

from pytest_llm import Generate, LanguageModel, assert_rouge_above, embedded, load_examples

PAGES = load_examples(embedded("data/summaries.jsonl"))


def test_the_first_sentence_is_a_summary_to_beat() -> None:
    first = [page.text.partition("\n")[0].partition(". ")[0] for page in PAGES]
    assert_rouge_above(first, PAGES, 0.27, stemmer=True)  # ROUGE-L 0.30
    assert_rouge_above(first, PAGES, 0.14, variant="rouge2", stemmer=True)  # 0.16


@pytest.mark.smollm2
def test_a_small_model_says_what_a_page_is_for(smollm2: LanguageModel) -> None:
    short = [page for page in PAGES if len(page.text) < 1200][:12]
    task = Generate(
        "{text}\n\nIn one sentence, this page explains how to", filter="first_line", stop="\n", max_tokens=32
    )
    assert_rouge_above(smollm2, short, 0.17, task=task, stemmer=True)  # 0.24
