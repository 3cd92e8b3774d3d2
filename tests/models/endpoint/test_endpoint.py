"""A served model is asked as any other."""

from __future__ import annotations

import math
import multiprocessing
import pickle

import numpy as np
import pytest

from pytest_llm import (
    Choose,
    Decoding,
    Endpoint,
    Engine,
    Generate,
    MisuseError,
    assert_perplexity_below,
    load_model,
    measure,
)
from pytest_llm.tasks.score import Score
from tests.models.endpoint.stub_server import (
    BOS,
    MODEL,
    Asked,
    Reply,
    StubServer,
    completion,
    continuation,
    honest,
    like_vllm,
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

    with pytest.raises(
        MisuseError,
        match=r"can be trusted; some servers need prefix=.* \(echo: its tokens do not give back the text; ",
    ):
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

    with pytest.raises(MisuseError, match=r"echo: it wrote ' \w+' with the log-probability -0.51"):
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


def test_continuations_are_scored_behind_their_contexts(server: StubServer) -> None:
    choices = ["sat down", "alpha"]
    rows = [{"text": "the cat", "choices": choices, "target": 0}]
    expected = [log_probabilities(f"the cat {choice}", prefix="")[1:] for choice in choices]

    measured = measure(Endpoint(server.url), rows, "acc", task=Choose("{text}"))

    assert measured.outputs is not None
    np.testing.assert_allclose(measured.outputs[0].log_likelihoods, [sum(scores) for scores in expected], rtol=1e-12)
    assert "|begins:nothing|first token:not scored|asked:echo" in measured.signature


def test_a_continuation_without_a_context_needs_something_in_front(server: StubServer) -> None:
    server.script = lambda asked: Reply(completion(asked.body, hides_bos=False)) if asked.body else honest(asked)

    assert Endpoint(server.url, prefix=BOS).score_pairs([("", "the cat")]) == [log_probabilities("the cat")]
    with pytest.raises(MisuseError, match="'the cat' has no context, and nothing that begins texts: give prefix="):
        Endpoint(server.url).score_pairs([("", "the cat")])


def test_a_chat_has_no_log_probabilities(server: StubServer) -> None:
    rows = [{"text": "the cat", "choices": ["sat", "ran"], "target": 0}]

    with pytest.raises(MisuseError, match="chat API gives no log-probabilities"):
        measure(Endpoint(server.url), rows, "acc", task=Choose("{text}", chat=True))


def test_numbers_per_byte_need_the_first_token(server: StubServer) -> None:
    with pytest.raises(MisuseError, match="dividing by all its bytes would flatter the model: give prefix="):
        measure(Endpoint(server.url), TEXTS, "byte_perplexity")


def test_the_settings_say_what_the_first_token_is_given(server: StubServer) -> None:
    unscored = measure(Endpoint(server.url), TEXTS, "perplexity").signature
    server.script = lambda asked: Reply(completion(asked.body, hides_bos=False)) if asked.body else honest(asked)
    scored = measure(Endpoint(server.url, prefix=BOS), TEXTS, "perplexity").signature

    assert unscored.endswith("|begins:nothing|first token:not scored|asked:echo")
    assert scored.endswith("|begins:'<s>'|first token:scored|asked:echo")


def test_prompt_logprobs_are_taken_where_there_is_no_echo(server: StubServer) -> None:
    server.script = lambda asked: Reply(like_vllm(asked.body)) if asked.body else honest(asked)

    model = Endpoint(server.url, prefix=BOS)

    assert model.score(TEXTS) == [log_probabilities(text) for text in TEXTS]
    assert model.signature_of(Score(), "tokens") == "begins:'<s>'|first token:scored|asked:prompt_logprobs"
    assert Endpoint(server.url).score(TEXTS) == [log_probabilities(text, prefix="") for text in TEXTS]


def test_a_server_without_log_probabilities_is_named(server: StubServer) -> None:
    def without(asked: Asked) -> Reply:
        if "echo" in (asked.body or {}):
            return Reply({"error": {"message": "Only no echo is supported"}}, 400)
        answer = honest(asked)
        if asked.body:
            answer.content["choices"][0]["logprobs"] = None
        return answer

    server.script = without

    with pytest.raises(MisuseError) as raised:
        Endpoint(server.url, prefix=BOS).score(TEXTS)

    assert str(raised.value) == (
        f"the server 127.0.0.1:{server.port} gives no log-probabilities of a prompt's tokens that can be trusted "
        "(echo: HTTP 400: Only no echo is supported; prompt_logprobs: it gives no prompt_logprobs, although they were asked for)"
    )


def test_all_settings_of_decoding_are_sent(server: StubServer) -> None:
    decoding = Decoding(max_tokens=7, stop=("zzz",), temperature=0.5, top_k=3, top_p=0.9, seed=11)

    Endpoint(server.url).generate(["the cat"], decoding)

    body = server.questions[0].body
    assert {name: body[name] for name in ("max_tokens", "stop", "temperature", "top_k", "top_p", "seed")} == {
        "max_tokens": 7,
        "stop": ["zzz"],
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.9,
        "seed": 11,
    }
    assert body["repeat_penalty"] == 1.0, "llama-cpp-python would take 1.1"


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        (Decoding(beams=2), "beams=2: servers have no beam search"),
        (Decoding(temperature=1.0, top_k=5), "top_k=5: the API of OpenAI has no such setting"),
        (Decoding(stop=tuple("abcde")), "stop has 5 strings"),
    ],
)
def test_what_the_api_has_no_name_for_is_refused(server: StubServer, decoding: Decoding, message: str) -> None:
    server.script = lambda asked: (
        honest(asked) if asked.body else Reply({"data": [{"id": MODEL, "owned_by": "openai"}]})
    )

    with pytest.raises(MisuseError, match=message):
        Endpoint(server.url).generate(["the cat"], decoding)
    assert not server.questions


def test_processes_are_left_out(server: StubServer) -> None:
    measure(Endpoint(server.url), TEXTS, "perplexity", engine=Engine(processes=2))

    assert not multiprocessing.active_children()


def test_an_endpoint_goes_to_another_process_without_its_connections(server: StubServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    model.score(TEXTS[:1])

    assert pickle.loads(pickle.dumps(model)).score(TEXTS) == model.score(TEXTS)
