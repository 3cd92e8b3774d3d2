"""A prompt with fewer tokens than words: cut by the server, or by a tokenizer that joins words. Its halves tell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pytest_llm import Decoding, Endpoint, Generate, MisuseError, measure
from pytest_llm.data.loading import load_examples
from pytest_llm.inference.probe import time_requests
from pytest_llm.tasks.timed import Timed
from tests.models.endpoint.stub_server import Asked, Reply, StubServer, chat, completion, honest

JOINED = "the end of the beginning of the tale of the cat and the dog " * 6
WORDS, TOKENS = 84, 36
TEMPLATE = 20
TWO = Decoding(max_tokens=2)


def joining(text: str) -> int:
    """As many tokens as a tokenizer makes to which "of the" and what follows is one."""
    return len(re.findall(r"\s*(?:of\s)?(?:the\s)?\S+", text))


def counting(
    tokens: Callable[[str], int], limit: int = 10_000, *, block: int = 1, begin: int = 1
) -> Callable[[Asked], Reply]:
    """A server that reads the end of what has more than so many tokens, in blocks or not, and says nothing of it."""

    def script(asked: Asked) -> Reply:
        if not asked.body:
            return honest(asked)
        is_chat = "messages" in asked.body
        said = " ".join(one["content"] for one in asked.body["messages"]) if is_chat else asked.body["prompt"]
        count = tokens(said) + (TEMPLATE if is_chat else begin)
        while count > limit:
            count -= block
        content = chat(asked.body) if is_chat else completion(asked.body)
        content["usage"]["prompt_tokens"] = count
        return streamed(content) if asked.body.get("stream") else Reply(content)

    return script


def streamed(content: dict[str, Any]) -> Reply:
    choice = content["choices"][0] | {"finish_reason": "length"}
    last = {"model": content["model"], "choices": [], "usage": content["usage"]}
    events = [{"model": content["model"], "choices": [choice]}, last]
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return Reply(data.encode(), headers={"Content-Type": "text/event-stream"})


@pytest.mark.parametrize("is_chat", [False, True])
@pytest.mark.parametrize("mode", ["completions", "chat"])
def test_a_tokenizer_that_joins_words_is_not_taken_for_a_cut(server: StubServer, is_chat: bool, mode: Any) -> None:
    server.script = counting(joining)
    rows = [{"text": JOINED * repeats, "target": "x"} for repeats in (1, 2, 5)]

    measure(Endpoint(server.url, mode=mode), rows, "exact_match", task=Generate("{text}", chat=is_chat, max_tokens=2))

    assert (joining(JOINED), len(JOINED.split())) == (TOKENS, WORDS)
    assert 3 + 1 + 6 <= len(server.questions) <= 3 + 1 + 2 * 3 * 2  # what stands round a text is asked for once


@pytest.mark.parametrize("before", range(4))
def test_a_token_that_falls_apart_in_the_middle_is_no_cut(server: StubServer, before: int) -> None:
    server.script = counting(lambda text: len(re.findall(r"by the way of|\S+", text)))
    assert Endpoint(server.url).generate(["x " * before + "by the way of " * 20], TWO)


@pytest.mark.parametrize(
    "prompt",
    ["in the", "x in the", "a b c d e f in the", "a b c d e in the end of it", "in the in the in the in the in the"],
)
def test_a_short_prompt_of_joined_words_is_no_cut(server: StubServer, prompt: str) -> None:
    server.script = counting(lambda text: len(re.findall(r"in the(?: end of it)?|\S+", text)), begin=0)
    assert Endpoint(server.url).generate([prompt], TWO)


def test_a_prompt_with_as_many_tokens_as_words_needs_no_other_question(server: StubServer) -> None:
    Endpoint(server.url).generate(["the cat sat " * 50], TWO)
    assert len(server.questions) == 1


@pytest.mark.parametrize("limit", [8, 20, 34])
@pytest.mark.parametrize("repeats", [1, 10])
def test_a_prompt_that_is_cut_is_found_out_where_words_are_joined(server: StubServer, limit: int, repeats: int) -> None:
    server.script = counting(joining, limit)
    words = WORDS * repeats
    with pytest.raises(
        MisuseError, match=rf"counts {limit} tokens in a prompt of {words} words: it has cut the prompt"
    ):
        Endpoint(server.url).generate([JOINED * repeats], TWO)


@pytest.mark.parametrize("too_many", [1, 2, 8, 100])
def test_the_smallest_cut_is_found_out_where_words_are_not_joined(server: StubServer, too_many: int) -> None:
    server.script = counting(lambda text: len(text.split()), 32, begin=0)
    with pytest.raises(MisuseError, match="it has cut the prompt"):
        Endpoint(server.url).generate(["word " * (32 + too_many)], TWO)


def test_messages_that_are_left_out_are_found_out(server: StubServer) -> None:
    """Servers that keep the last messages of a chat."""
    script = counting(joining)

    def last(asked: Asked) -> Reply:
        if asked.body:
            asked.body["messages"] = asked.body["messages"][-1:]
        return script(asked)

    server.script = last
    model = Endpoint(server.url)
    turns = [{"role": "user", "content": JOINED} for _ in range(3)]
    with pytest.raises(MisuseError, match=r"counts 56 tokens in a prompt of 252 words: it has cut the prompt"):
        model.generate([model.chat_prompt(turns)], TWO)


def test_a_server_that_cuts_in_blocks_is_found_out(server: StubServer) -> None:
    """As llama.cpp did: what is kept is between half of the context and all of it."""
    for repeats in (2, 3, 7):
        server.script = counting(joining, 60, block=30)
        with pytest.raises(MisuseError, match="it has cut the prompt"):
            Endpoint(server.url).generate([JOINED * repeats], TWO)


def test_a_stream_is_looked_at_too(server: StubServer) -> None:
    server.script = counting(joining)
    assert list(Endpoint(server.url).stream(JOINED, TWO))
    server.script = counting(joining, 20)
    with pytest.raises(MisuseError, match="counts 20 tokens in a prompt of 84 words"):
        list(Endpoint(server.url).stream(JOINED, TWO))


@pytest.mark.parametrize("tokens", [False, True])
def test_what_is_timed_is_asked_about_afterwards(server: StubServer, tokens: bool) -> None:
    task = Timed(Generate(max_tokens=2, filter="none"), tokens=tokens, warmup=1, rounds=1)
    texts = load_examples([JOINED, JOINED * 2])
    server.script = counting(joining)

    time_requests(Endpoint(server.url), texts, task)

    asked = [question.body["prompt"] for question in server.questions]
    assert len(asked) > 3
    assert all(prompt.startswith(JOINED) for prompt in asked[:3])
    assert not any(prompt.startswith(JOINED) for prompt in asked[3:])
    server.script = counting(joining, 20)
    with pytest.raises(MisuseError, match="counts 20 tokens in a prompt of 84 words: it has cut the prompt"):
        time_requests(Endpoint(server.url), texts, task)
