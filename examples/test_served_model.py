"""A model behind a server is gated by the same test file as one that is loaded.

    transformers serve PATH --port 8000 &
    pytest examples/test_served_model.py --llm-model http://127.0.0.1:8000/v1

Any server with the API of OpenAI will do (vLLM, SGLang, llama.cpp, a provider's). The last test asks how probable texts are, which
not every server can say: with `transformers serve` it fails with what the server lacks. On a model that is loaded (`--llm-model
PATH`, or without the option) all of this file runs but the chat.
"""

import pytest

from pytest_llm import (
    Arrival,
    Endpoint,
    Generate,
    LanguageModel,
    assert_chrf_above,
    assert_latency_below,
    assert_perplexity_below,
    embedded,
    load_examples,
)

WORDS = [example.text.split() for example in load_examples(embedded("data/held_out.jsonl"))[:10]]
OPENINGS = [" ".join(words[:20]) for words in WORDS]
ROWS = [{"text": opening, "target": " ".join(words[20:30])} for opening, words in zip(OPENINGS, WORDS, strict=True)]
SHORT = Generate(max_tokens=12)


@pytest.fixture(scope="session")
def chat(pytestconfig: pytest.Config) -> Endpoint:
    """The same server, asked by its chat API. A key is read from the environment, here from OPENAI_API_KEY if it is set."""
    address = pytestconfig.getoption("--llm-model") or ""
    if not address.startswith("http"):
        pytest.skip("no server: give --llm-model http://host:port/v1")
    return Endpoint(address, mode="chat", concurrency=4, timeout=60)


def test_it_goes_on_as_the_author_would(llm: LanguageModel) -> None:
    assert_chrf_above(llm, ROWS, 10, task=SHORT)


def test_it_answers_in_a_chat(chat: Endpoint) -> None:
    assert_chrf_above(chat, ROWS, 5, task=SHORT)


def test_ten_users_do_not_wait_long(llm: LanguageModel) -> None:
    """Ten requests that do not wait for each other, five a second: who waits in a queue is counted."""
    assert_latency_below(
        llm, OPENINGS, 60, metric="time_to_first_token", quantile=0.9, task=SHORT, arrival=Arrival(rate=5), warmup=1
    )


def test_it_reads_the_author(llm: LanguageModel) -> None:
    assert_perplexity_below(llm, OPENINGS, 200)
