"""A text that a server's context does not hold: an error says by how much and what to do; no answer is about a part of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pytest_llm import Choose, Decoding, Endpoint, Generate, MisuseError, assert_perplexity_below, measure
from pytest_llm.errors import TooLongError
from pytest_llm.models.endpoint import prompt_log_probs
from pytest_llm.models.endpoint.reading import WrongReply
from pytest_llm.models.endpoint.too_long import TooLong, read_refusal
from tests.models.endpoint.stub_server import BOS, MODEL, Asked, Reply, StubServer, completion, honest, like_vllm, words

LIMIT = 32
SHORT, LONG = "the cat sat", " ".join(f"word{number}" for number in range(40))

REFUSALS: dict[str, tuple[Any, TooLong]] = {
    "vLLM": (
        {
            "error": {
                "message": "This model's maximum context length is 32 tokens. However, your prompt contains at least 33 input "
                "tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. "
                "(parameter=input_tokens, value=33)",
                "type": "BadRequestError",
                "param": "input_tokens",
                "code": 400,
            }
        },
        TooLong(33, 32, at_least=True),
    ),
    "vLLM, far too long": (
        {
            "error": {
                "message": "This model's maximum context length is 32 tokens. However, your prompt contains 9000 characters "
                "(more than 2048 characters, which is the upper bound for 32 input tokens). Please reduce the length of the "
                "input prompt. (parameter=input_text, value=9000)",
                "type": "BadRequestError",
                "param": "input_text",
                "code": 400,
            }
        },
        TooLong(None, 32),
    ),
    "llama.cpp": (
        {
            "error": {
                "code": 400,
                "message": "request (41 tokens) exceeds the available context size (32 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 41,
                "n_ctx": 32,
            }
        },
        TooLong(41, 32),
    ),
    "llama-cpp-python": (
        {
            "error": {
                "message": "This model's maximum context length is 32 tokens, however you requested 42 tokens (41 in your prompt; "
                "1 for the completion). Please reduce your prompt; or completion length.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
        TooLong(41, 32),
    ),
    "SGLang": (
        {
            "object": "error",
            "message": "The input (41 tokens) is longer than the model's context length (32 tokens).",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        TooLong(41, 32),
    ),
    "a number that is none": (
        {"error": {"message": "no", "type": "exceed_context_size_error", "n_prompt_tokens": True, "n_ctx": "32"}},
        TooLong(),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_servers_say_is_read(name: str) -> None:
    told, expected = REFUSALS[name]
    assert read_refusal(400, told, told.get("error", told)["message"]) == expected
    assert read_refusal(500, told, told.get("error", told)["message"]) is None


@pytest.mark.parametrize("told", [None, [], {"error": "no"}, {"error": {"message": 7}}])
def test_other_refusals_are_none_of_these(told: Any) -> None:
    assert read_refusal(400, told, "max_tokens is too large: 99 tokens") is None


def refusing(name: str, **model: Any) -> Callable[[Asked], Reply]:
    def script(asked: Asked) -> Reply:
        if not asked.body:
            return Reply({"data": [{"id": MODEL, "owned_by": "vllm", **model}]})
        said = asked.body["messages"][-1]["content"] if "messages" in asked.body else asked.body["prompt"]
        if len(words(said)) + asked.body["max_tokens"] > LIMIT:
            return Reply(REFUSALS[name][0], 400)
        return honest(asked)

    return script


def test_the_error_names_the_example_the_numbers_and_the_remedy(server: StubServer) -> None:
    server.script = refusing("llama.cpp")

    with pytest.raises(MisuseError) as raised:
        assert_perplexity_below(Endpoint(server.url, prefix=BOS), [SHORT, {"text": LONG, "id": "ch. 7"}], 1e9)

    assert str(raised.value) == (
        "ch. 7: 'word0 word1 word2 word3 word4 word5 word6 word7 word8 word9…' is too long for the server "
        f"127.0.0.1:{server.port}: 41 tokens and 1 to write, its context holds 32 (10 too many); nothing is cut off, since the "
        "answer would be about another text: give it in pieces, such as paragraphs, serve the model with a longer context, or load "
        "it (--llm-model PATH), where long texts are read in windows (HTTP 400: request (41 tokens) exceeds the available context "
        "size (32 tokens), try increasing it); of how many tokens its context holds (max_model_len) it does not say; windows take "
        "a server that has /tokenize and gives prompt_logprobs of a prompt of token ids, such as vLLM"
    )


@pytest.mark.parametrize("task", [Generate("{text}", max_tokens=4), Generate("{text}", chat=True, max_tokens=4)])
def test_a_prompt_is_named_with_what_was_to_be_written(server: StubServer, task: Generate) -> None:
    server.script = refusing("vLLM")
    rows = [{"text": SHORT, "target": "x"}, {"text": LONG, "target": "x"}]

    with pytest.raises(
        MisuseError,
        match=r"^#1: 'word0 word1 .*: at least 33 tokens and 4 to write, .* \(5 too many\); .*lower max_tokens",
    ):
        measure(Endpoint(server.url), rows, "exact_match", task=task)


def test_a_choice_is_named(server: StubServer) -> None:
    server.script = refusing("llama-cpp-python")
    rows = [{"text": SHORT, "choices": ["on", LONG], "target": 0}]

    with pytest.raises(MisuseError, match=r"^#0: 'the cat sat word0 .*41 tokens and 1 to write"):
        measure(Endpoint(server.url), rows, "acc", task=Choose("{text}"))


def test_a_limit_that_is_not_said_again_is_known(server: StubServer) -> None:
    server.script = refusing("a number that is none", max_model_len=LIMIT)

    with pytest.raises(TooLongError, match=r"too long for the server 127\.0\.0\.1:\d+: its context holds 32; nothing"):
        Endpoint(server.url).generate([LONG], Decoding(max_tokens=2))


def test_a_stream_is_refused_alike(server: StubServer) -> None:
    server.script = refusing("llama.cpp")

    with pytest.raises(TooLongError, match="is too long for the server"):
        list(Endpoint(server.url).stream(LONG, Decoding(max_tokens=2)))


def test_a_server_that_goes_on_beyond_its_context_is_found_out(server: StubServer) -> None:
    server.script = lambda asked: (
        honest(asked) if asked.body else Reply({"data": [{"id": MODEL, "owned_by": "x", "meta": {"n_ctx": LIMIT}}]})
    )

    with pytest.raises(
        MisuseError, match="counts 40 tokens in the prompt and 2 that it wrote, and its context holds 32"
    ):
        Endpoint(server.url).generate([LONG], Decoding(max_tokens=2))
    assert Endpoint(server.url).generate([SHORT], Decoding(max_tokens=2))


def cut_to(side: str, answer: Callable[..., dict[str, Any]]) -> Callable[[Asked], Reply]:
    """A server that reads a part of what is too long, and says nothing of it."""

    def script(asked: Asked) -> Reply:
        if not asked.body:
            return honest(asked)
        prompt = asked.body["prompt"]
        tokens = words(prompt)
        kept = tokens[-LIMIT:] if side == "end" else tokens[:LIMIT]
        reply = answer({**asked.body, "prompt": "".join(kept)})
        if asked.body.get("echo") and answer is completion:
            reply["choices"][0]["text"] = prompt  # it echoes what it was sent
        return Reply(reply)

    return script


@pytest.mark.parametrize("side", ["beginning", "end"])
@pytest.mark.parametrize("answer", [completion, like_vllm])
@pytest.mark.parametrize("prefix", ["", BOS])
def test_a_server_that_cuts_silently_is_found_out_by_the_tokens(
    server: StubServer, side: str, answer: Callable[..., dict[str, Any]], prefix: str
) -> None:
    server.script = cut_to(side, answer)
    model = Endpoint(server.url, prefix=prefix)

    assert model.score([SHORT])
    with pytest.raises(MisuseError, match="its tokens do not give back the"):
        model.score([LONG])


def test_a_server_that_cuts_a_prompt_silently_is_found_out_by_its_count(server: StubServer) -> None:
    server.script = cut_to("end", completion)
    model = Endpoint(server.url)

    assert model.generate([SHORT], Decoding(max_tokens=2))
    with pytest.raises(MisuseError, match="counts 32 tokens in a prompt of 40 words: it has cut the prompt"):
        model.generate([LONG], Decoding(max_tokens=2))


def test_a_first_token_that_nobody_names_has_one_word() -> None:
    """`prompt_logprobs` has nothing of the first token: what is missing must not be more than one."""
    body = prompt_log_probs.body(MODEL, "the cat sat")
    assert prompt_log_probs.read(like_vllm(body), "", "the cat sat").tokens[0] == "the"
    with pytest.raises(WrongReply, match="do not give back the text"):
        prompt_log_probs.read(like_vllm(body), "", "and the cat sat")


def test_the_error_goes_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(TooLongError("too long", "the text")))
    assert (str(error), error.text) == ("too long", "the text")
