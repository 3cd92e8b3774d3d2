"""Find the help page that a sentence describes: the sentences that its authors describe each page with, as queries.

A model that embeds is asked for both; pages are ranked by the cosine of the angle between them.
"""

import pytest

from pytest_llm import Embed, LanguageModel, assert_mrr_above, assert_ndcg_above, embedded, load_examples

pytestmark = pytest.mark.minilm

PAGES = load_examples(embedded("data/summaries.jsonl"))[::4]  # 44 of them
QUERIES = [{"id": page.id, "text": page.target, "target": [page.id]} for page in PAGES]
SEARCH = Embed({page.id: page.text for page in PAGES}, truncate=True)  # the model reads the first 256 tokens


def test_it_finds_most_pages_by_what_they_are_about(minilm: LanguageModel) -> None:
    assert_mrr_above(minilm, QUERIES, 0.9, task=SEARCH)  # it is 0.98
    assert_ndcg_above(minilm, QUERIES, 0.9, task=SEARCH, k=5)


def test_a_page_is_found_at_once(minilm: LanguageModel) -> None:
    """Too much to ask of all, on purpose: the message shows which page came first instead."""
    assert_mrr_above(minilm, QUERIES, 0.99, task=SEARCH, k=1)
