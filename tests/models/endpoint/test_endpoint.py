"""A served model is asked as any other."""

from __future__ import annotations

import math

import pytest

from pytest_llm import Decoding, Endpoint, Generate, MisuseError, assert_perplexity_below, load_model, measure
from tests.models.endpoint.stub_server import (
    BOS,
    MODEL,
    Asked,
    Reply,
    StubServer,
    completion,
    continuation,
    honest,
    log_probabilities,
    off_by_one,
)

TEXTS = ["the cat sat on the mat.", "one two three", "alpha beta gamma delta"]


def test_scores_are_those_of_the_served_model(server: StubServer) -> None:
    scores = Endpoint(server.url, prefix=BOS).score(TEXTS)

    # this server never lists BOS, and gives the first token that it lists no probability
    assert scores == [pytest.approx(log_probabilities(text)[1:], abs=0) for text in TEXTS]


def test_a_bos_token_that_is_listed_gives_the_first_token_a_probability(server: StubServer) -> None:
    server.script = lambda asked: Reply(completion(asked.body, hides_bos=False)) if asked.body else honest(asked)

    assert Endpoint(server.url, prefix=BOS).score(TEXTS) == [log_probabilities(text) for text in TEXTS]


def test_without_bos_the_first_token_is_left_out(server: StubServer) -> None:
    assert Endpoint(server.url).score(TEXTS) == [log_probabilities(text, prefix="") for text in TEXTS]


def test_log_probabilities_of_other_tokens_are_found_out(server: StubServer) -> None:
    server.script = lambda asked: Reply(off_by_one(asked.body)) if asked.body else honest(asked)

    with pytest.raises(MisuseError, match=r"cannot be trusted: its tokens do not give back the text; .* prefix="):
        Endpoint(server.url).score(TEXTS)
    scores = Endpoint(server.url, prefix=BOS).score(TEXTS)

    assert scores == [pytest.approx(log_probabilities(text)[1:], abs=0) for text in TEXTS]


def test_a_server_that_contradicts_itself_is_found_out(server: StubServer) -> None:
    def to_the_base_of_ten(asked: Asked) -> Reply:
        answer = completion(asked.body)
        given = answer["choices"][0]["logprobs"]["token_logprobs"]
        given[1:-1] = [score / math.log(10) for score in given[1:-1]]
        return Reply(answer)

    server.script = lambda asked: to_the_base_of_ten(asked) if asked.body else honest(asked)

    with pytest.raises(MisuseError, match=r"cannot be trusted: it wrote ' \w+' with the log-probability -0.51"):
        Endpoint(server.url).score(TEXTS)


def test_perplexity_by_address(server: StubServer) -> None:
    expected = [score for text in TEXTS for score in log_probabilities(text)[1:]]

    measured = assert_perplexity_below(f"{server.url}#{MODEL}&prefix=%3Cs%3E", TEXTS, 1e9)

    assert measured.value == pytest.approx(math.exp(-sum(expected) / len(expected)), rel=1e-12)
    assert measured.provenance.model == f"{MODEL} at 127.0.0.1:{server.port}"


def test_texts_go_on(server: StubServer) -> None:
    model = Endpoint(server.url)

    written = model.generate(["the cat", "one two"], Decoding(max_tokens=5))

    assert written == ["".join(continuation(prompt, 5)) for prompt in ("the cat", "one two")]
    assert server.questions[0].path == "/v1/completions"


def test_chats_go_to_the_chat_api(server: StubServer) -> None:
    measured = measure(
        Endpoint(server.url, model=MODEL),
        [{"text": "the cat", "target": "x"}],
        "exact_match",
        task=Generate("{text}", chat=True, system="Be short.", max_tokens=3),
    )

    asked = server.questions[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "the cat"},
    ]
    assert measured.outputs == ("".join(continuation("the cat", 3)).strip(),)


def test_in_chat_mode_a_prompt_is_what_the_user_says(server: StubServer) -> None:
    Endpoint(server.url, mode="chat").generate(["the cat"], Decoding(max_tokens=2))

    assert server.questions[0].body["messages"] == [{"role": "user", "content": "the cat"}]


def test_tokens_are_counted(server: StubServer) -> None:
    model = Endpoint(server.url)

    model.generate(["the cat", "one two three"], Decoding(max_tokens=5))

    assert (model.usage.requests, model.usage.prompt_tokens, model.usage.completion_tokens) == (2, 5, 10)


def test_a_name_loads_an_endpoint(server: StubServer) -> None:
    model = load_model(f"{server.url}#{MODEL}")

    assert isinstance(model, Endpoint)
    assert model.name == MODEL
    assert not server.asked, "nothing is asked before a test does"
