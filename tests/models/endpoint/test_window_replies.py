"""What is wrong with what a server says of tokens ends in an error: that it reads no windows, or what was wrong with one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pytest_llm import Endpoint, MisuseError, measure
from tests.models.endpoint.stub_server import BOS, Asked, Reply, StubServer
from tests.models.endpoint.token_server import LONG, SHORT, TokenServer, last, of_window, rows


def refusing(asked: Asked, status: int = 404, kind: str = "application/json") -> Reply | None:
    return Reply({"detail": "Not Found"}, status, {"Content-Type": kind}) if asked.path == "/tokenize" else None


def changing(change: Callable[[Asked, Reply], object], when: Callable[[Asked], bool]) -> Callable[..., Reply | None]:
    def spoil(asked: Asked, reply: Reply) -> Reply | None:
        if when(asked) and reply.status == 200:
            change(asked, reply)
        return None

    return spoil


def of_tokenize(asked: Asked) -> bool:
    return asked.path == "/tokenize"


def lower(reply: Reply, nats: float) -> None:
    for row in rows(reply)[1:]:
        for entry in row.values():
            entry["logprob"] -= nats


UNABLE: dict[str, tuple[Callable[..., Reply | None], str]] = {
    "no /tokenize": (lambda asked, _: refusing(asked), "HTTP 404: Not Found"),
    "/tokenize for others": (lambda asked, _: refusing(asked, 403), "HTTP 403: Not Found"),
    "a page for everything": (
        lambda asked, _: refusing(asked, 200, "text/html"),
        "it answers with text/html, not JSON",
    ),
    "/tokenize counts otherwise": (
        changing(lambda _, reply: reply.content.update(count=1), of_tokenize),
        "it counts 1 tokens, and lists 1",
    ),
    "/tokenize has texts": (
        changing(lambda _, reply: reply.content.update(tokens=["the"], count=1), of_tokenize),
        "one of its tokens is 'the', not a whole number",
    ),
    "/tokenize lies": (
        changing(lambda _, reply: reply.content["tokens"].__setitem__(-1, reply.content["tokens"][-2]), of_tokenize),
        "it has read 16 tokens that are not the 16 of the prompt: the first other one is in place 15",
    ),
    "two tokens in front": (
        changing(
            lambda asked, reply: (
                reply.content.update(tokens=[1, *reply.content["tokens"]], count=reply.content["count"] + 1)
                if asked.body["add_special_tokens"]
                else None
            ),
            of_tokenize,
        ),
        "it has 2 tokens in front of a text, where a loaded model has the same one or none",
    ),
    "no token ids come back": (
        changing(lambda _, reply: reply.content["choices"][0].pop("prompt_token_ids"), of_window),
        "it does not say which tokens it has read",
    ),
    "tokens have other numbers": (
        changing(lambda _, reply: lower(reply, 1.5), of_window),
        "it gives tokens other log-probabilities when their numbers are sent than when the text is",
    ),
    "prompts are texts": (
        lambda asked, _: Reply({"detail": "prompt must be a string"}, 422) if of_window(asked) else None,
        "HTTP 422: prompt must be a string",
    ),
}


@pytest.mark.parametrize("case", UNABLE)
def test_a_server_that_is_not_exact_reads_no_windows(server: StubServer, script: TokenServer, case: str) -> None:
    script.spoil, reason = UNABLE[case]
    model = Endpoint(server.url, prefix=BOS)

    short = measure(model, [SHORT], "perplexity").statistics[:, 0]
    assert short == pytest.approx([-math.fsum(script.scores(script.tokens(BOS + SHORT)))])
    with pytest.raises(MisuseError) as too_long:
        measure(model, [SHORT, LONG], "perplexity")
    with pytest.raises(MisuseError) as asked_for:
        measure(model, [SHORT], "perplexity", stride=4)

    message = str(too_long.value)
    assert message.startswith("#1: 'word0 and word1")
    assert "its context holds 32" in message
    assert f"{reason}" in message
    assert message.endswith(
        "; windows take a server that has /tokenize and gives prompt_logprobs of a prompt of token ids, such as vLLM"
    )
    assert f"reads no windows of tokens, for which stride, max_length and add_bos are meant: {reason}" in str(
        asked_for.value
    )


def test_a_server_that_does_not_tell_its_context_reads_no_windows(server: StubServer, script: TokenServer) -> None:
    script.told = None
    with pytest.raises(
        MisuseError, match=r"#0: .*context holds 32.*of how many tokens its context holds .* it does not say; windows"
    ):
        measure(Endpoint(server.url, prefix=BOS), [LONG], "perplexity")


def of_long(asked: Asked) -> bool:
    return of_tokenize(asked) and bool(asked.body["prompt"].endswith(LONG))


SPOILED: dict[str, tuple[Callable[..., Reply | None], str]] = {
    "other tokens": (
        changing(lambda _, reply: reply.content["choices"][0]["prompt_token_ids"].__setitem__(3, 1), last),
        "prompt_logprobs of token 3 has no '1'",
    ),
    "other tokens, consistently": (
        lambda asked, reply: (
            script_of(asked, [*asked.body["prompt"][1:], asked.body["prompt"][0]]) if last(asked) else None
        ),
        "tokens that are not the 31 of the prompt: the first other one is in place 0",
    ),
    "a row too few": (
        changing(lambda _, reply: rows(reply).pop(), last),
        "it counts 31 tokens in the prompt, but has prompt_logprobs of 30",
    ),
    "NaN": (
        changing(lambda _, reply: next(iter(rows(reply)[5].values())).update(logprob=math.nan), last),
        "NaN",
    ),
    "no number": (
        changing(lambda _, reply: next(iter(rows(reply)[5].values())).update(logprob=None), last),
        "a log-probability is None, not a number",
    ),
    "another text": (
        changing(lambda _, reply: next(iter(rows(reply)[5].values())).update(decoded_token=" dog"), last),
        "the tokens that it has read do not give back 'word0 and word1",
    ),
    "another model": (
        changing(lambda _, reply: reply.content.update(model="other"), last),
        "it answers for the model 'other'",
    ),
    "out of its vocabulary": (
        lambda asked, _: Reply({"error": {"message": "Token id 7 is out of vocabulary"}}, 400) if last(asked) else None,
        "did not answer /completions: HTTP 400: Token id 7 is out of vocabulary",
    ),
    "tokens in front of other texts only": (
        changing(
            lambda _, reply: reply.content.update(tokens=reply.content["tokens"][1:], count=reply.content["count"] - 1),
            of_long,
        ),
        "it puts other tokens in front of 'word0 and",
    ),
    "no tokens": (
        changing(
            lambda _, reply: reply.content.update(tokens=reply.content["tokens"][:1], count=1),
            of_long,
        ),
        "it finds no tokens in 'word0 and",
    ),
    "a tokenizer of others": (
        changing(
            lambda _, reply: reply.content["tokens"].__setitem__(50, reply.content["tokens"][3]),
            of_long,
        ),
        "the tokens that it has read do not give back 'word0 and",
    ),
    "the text is cut": (
        changing(
            lambda _, reply: reply.content.update(tokens=reply.content["tokens"][:60], count=60),
            of_long,
        ),
        "the tokens that it has read do not give back 'word0 and",
    ),
}


def script_of(asked: Asked, tokens: list[int]) -> Reply:
    """An honest reply about other tokens."""
    other = TokenServer()
    other.tokens(BOS + LONG)
    return other(Asked(asked.path, {**asked.body, "prompt": tokens}, asked.headers, asked.number))


@pytest.mark.parametrize("case", SPOILED)
def test_what_is_wrong_with_a_window_is_an_error(server: StubServer, script: TokenServer, case: str) -> None:
    model = Endpoint(server.url, prefix=BOS)
    measure(model, ["a b " * 20], "perplexity")  # what it can is found out
    script.spoil, reason = SPOILED[case]

    with pytest.raises(MisuseError) as raised:
        measure(model, [LONG], "perplexity")
    assert reason in str(raised.value)


def test_a_context_that_is_smaller_than_told_is_named(server: StubServer, script: TokenServer) -> None:
    script.context = 24
    with pytest.raises(
        MisuseError,
        match=r"#0: the server .* refuses a window of 'word0 .*, although it says that its context holds 32 tokens: give max",
    ):
        measure(Endpoint(server.url, prefix=BOS), [LONG], "perplexity")
    assert np.isfinite(measure(Endpoint(server.url, prefix=BOS), [LONG], "perplexity", max_length=22).value)
