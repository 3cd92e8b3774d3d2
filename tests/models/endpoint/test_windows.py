"""A text that a server's context does not hold, and windows that are asked for, are read in the windows of a loaded model."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest

from pytest_llm import Endpoint, MisuseError, measure
from pytest_llm.inference.windows import rolling_windows, strided_windows
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.models.language_model import Window
from tests.models.endpoint.stub_server import BOS, Asked, Reply, StubServer
from tests.models.endpoint.token_server import TokenServer, of_window, rows

SHORT, LONG = "the cat sat", " ".join(f"word{number} and" for number in range(40))
CONTEXT = 32


@pytest.fixture
def script(server: StubServer) -> TokenServer:
    made = TokenServer(CONTEXT)
    server.script = made
    return made


def of_windows(script: TokenServer, windows: list[Window]) -> list[float]:
    """The log-probabilities that the windows have, by the formula of the stub."""
    return list(chain.from_iterable(script.scores(window.tokens)[-window.scored :] for window in windows))


def scored(model: Endpoint, texts: list[str], **settings: object) -> list[list[float]]:
    """What is measured of each text."""
    measured = measure(model, texts, Perplexity(**settings))  # type: ignore[arg-type]
    return [list(row) for row in measured.statistics]


def nll(scores: list[float]) -> list[Any]:
    return [pytest.approx(-math.fsum(scores)), len(scores)]


@pytest.mark.parametrize(("prefix", "puts"), [(BOS, ""), ("", BOS), ("", "")])
def test_a_long_text_is_read_in_rolling_windows(
    server: StubServer, script: TokenServer, prefix: str, puts: str
) -> None:
    script.puts = puts
    sequence = script.tokens(puts + prefix + LONG)
    windows = rolling_windows(sequence, CONTEXT - 2)

    measured = measure(Endpoint(server.url, prefix=prefix), [SHORT, LONG], "perplexity")

    assert len(windows) == 3
    whole = script.scores(script.tokens(puts + prefix + SHORT))
    assert [list(row) for row in measured.statistics] == [nll(whole), nll(of_windows(script, windows))]
    asked = [one.body["prompt"] for one in server.questions if of_window(one)]
    assert all(list(window.tokens) in asked for window in windows)
    assert max(map(len, asked)) == CONTEXT - 1


@pytest.mark.parametrize("add_bos", [True, False])
def test_windows_that_are_asked_for_are_those_of_a_loaded_model(
    server: StubServer, script: TokenServer, add_bos: bool
) -> None:
    sequence = script.tokens(BOS * add_bos + LONG)
    model = Endpoint(server.url, prefix=BOS)

    rolling = scored(model, [LONG], max_length=12, add_bos=add_bos)
    strided = scored(model, [LONG], stride=5, max_length=12, add_bos=add_bos)

    assert rolling == [nll(of_windows(script, rolling_windows(sequence, 12)))]
    assert strided == [nll(of_windows(script, strided_windows(sequence, 12, 5)))]
    assert rolling != strided


def test_signatures_say_what_windows_there_were(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    short, both, asked = (
        measure(model, texts, Perplexity(max_length=length)).signature
        for texts, length in (([SHORT], None), ([LONG, SHORT], None), ([SHORT], 12))
    )

    begins = f"begins:{BOS!r}|first token:scored"
    assert short == f"perplexity|bos:model's own|windows:model's own|log-softmax:float32|{begins}|asked:prompt_logprobs"
    assert both == f"{short}|longer texts:rolling-30"
    assert asked == f"perplexity|bos:yes|windows:rolling-12|log-softmax:float32|{begins}|asked:token ids"


def test_short_texts_are_asked_about_as_ever(server: StubServer, script: TokenServer) -> None:
    measure(Endpoint(server.url, prefix=BOS), [SHORT, "a dog"], "perplexity")

    assert {one.path for one in server.questions} == {"/v1/completions"}
    assert not any(map(of_window, server.questions))


def test_a_text_of_many_bytes_and_few_tokens_is_read_whole(server: StubServer, script: TokenServer) -> None:
    text = "incomprehensibilities everywhere"
    assert scored(Endpoint(server.url, prefix=BOS), [text]) == [nll(script.scores(script.tokens(BOS + text)))]
    assert BOS + text in [one.body["prompt"] for one in server.questions if one.path == "/v1/completions"]


def test_all_windows_are_counted(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    measure(model, ["a b " * 20], "perplexity")  # what it can is found out
    before = model.usage
    measure(model, [LONG], "perplexity")

    tokens = script.tokens(BOS + LONG)
    windows = rolling_windows(tokens, CONTEXT - 2)
    assert model.usage.requests - before.requests == 1 + len(windows)
    assert model.usage.prompt_tokens - before.prompt_tokens == sum(len(window.tokens) for window in windows)
    assert model.usage.uncounted == before.uncounted


def test_it_is_the_same_in_another_process(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    expected = scored(model, [LONG])
    assert scored(pickle.loads(pickle.dumps(model)), [LONG]) == expected


def test_windows_longer_than_the_context_are_refused(server: StubServer, script: TokenServer) -> None:
    with pytest.raises(
        MisuseError, match=r"max_length=31 exceeds the 30 tokens of a window on .*: its context holds 32"
    ):
        measure(Endpoint(server.url, prefix=BOS), [SHORT], "perplexity", max_length=31)


def test_nothing_in_front_is_no_beginning(server: StubServer, script: TokenServer) -> None:
    with pytest.raises(MisuseError, match=r"puts nothing in front of a text, .*give prefix=.* or use add_bos=False"):
        measure(Endpoint(server.url), [SHORT], "perplexity", max_length=12)
    with pytest.raises(MisuseError, match="is a single token, which has nothing before it"):
        measure(Endpoint(server.url), ["the"], Perplexity(max_length=12, add_bos=False))


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

    assert scored(model, [SHORT]) == [nll(script.scores(script.tokens(BOS + SHORT)))]
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


def last(asked: Asked) -> bool:
    """Whether it is a question about the end of the long text."""
    return of_window(asked) and asked.body["prompt"][-1] == TokenServer().tokens(LONG)[-1]


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
            lambda asked: of_tokenize(asked) and asked.body["prompt"].endswith(LONG),
        ),
        "it puts other tokens in front of 'word0 and",
    ),
    "no tokens": (
        changing(
            lambda _, reply: reply.content.update(tokens=reply.content["tokens"][:1], count=1),
            lambda asked: of_tokenize(asked) and asked.body["prompt"].endswith(LONG),
        ),
        "it finds no tokens in 'word0 and",
    ),
    "a tokenizer of others": (
        changing(
            lambda _, reply: reply.content["tokens"].__setitem__(50, reply.content["tokens"][3]),
            lambda asked: of_tokenize(asked) and asked.body["prompt"].endswith(LONG),
        ),
        "the tokens that it has read do not give back 'word0 and",
    ),
    "the text is cut": (
        changing(
            lambda _, reply: reply.content.update(tokens=reply.content["tokens"][:60], count=60),
            lambda asked: of_tokenize(asked) and asked.body["prompt"].endswith(LONG),
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
    scored(model, ["a b " * 20])  # what it can is found out
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


def test_a_window_that_fails_is_asked_for_again(server: StubServer, script: TokenServer, waited: list[float]) -> None:
    failed: list[int] = []

    def spoil(asked: Asked, reply: Reply) -> Reply | None:
        if last(asked) and len(failed) < 2:
            failed.append(asked.number)
            return Reply({"error": {"message": "busy"}}, 503)
        return None

    script.spoil = spoil
    model = Endpoint(server.url, prefix=BOS)
    sequence = script.tokens(BOS + LONG)
    assert scored(model, [LONG]) == [nll(of_windows(script, rolling_windows(sequence, CONTEXT - 2)))]
    assert (len(failed), len(waited), model.usage.retries) == (2, 2, 2)
