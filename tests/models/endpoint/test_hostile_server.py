"""What a server does wrong ends in the right number, or in an error that says what was wrong."""

from __future__ import annotations

import gzip
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytest_llm import Decoding, Endpoint, MisuseError
from pytest_llm.models.endpoint.client import Client, Patience, Question
from pytest_llm.models.endpoint.key import Key
from pytest_llm.models.endpoint.retrying import Failure
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
    serving,
)

TEXT = "the cat sat on the mat."
RIGHT = log_probabilities(TEXT)
JSON = {"Content-Type": "application/json"}


def vllm_like(asked: Asked) -> Reply:
    return Reply(completion(asked.body, hides_bos=False)) if asked.body else honest(asked)


def spoiling(spoil: Callable[[Asked, Reply], object]) -> Callable[[Asked], Reply]:
    """Honest while it is tried out; what it says of the text is spoiled."""

    def script(asked: Asked) -> Reply:
        reply = vllm_like(asked)
        if not asked.body or asked.body["prompt"] != BOS + TEXT:
            return reply
        spoiled = spoil(asked, reply)
        return spoiled if isinstance(spoiled, Reply) else reply

    return script


def logprobs(change: Callable[[dict[str, Any]], object]) -> Callable[[Asked], Reply]:
    """What is changed in the log-probabilities of a reply."""
    return spoiling(lambda _, reply: change(reply.content["choices"][0]["logprobs"]))


def put(name: str, place: int, value: object) -> Callable[[Asked], Reply]:
    return logprobs(lambda told: told[name].__setitem__(place, value))


def whole(change: Callable[[dict[str, Any]], object]) -> Callable[[Asked], Reply]:
    """What is changed in a reply."""
    return spoiling(lambda _, reply: change(reply.content))


def sent(data: bytes, **headers: str) -> Callable[[Asked], Reply]:
    return spoiling(lambda *_: Reply(data, headers={**JSON, **headers}))


WRONG: dict[str, tuple[Callable[[Asked], Reply], str]] = {
    "NaN": (put("token_logprobs", 3, math.nan), "NaN is no number"),
    "infinity": (put("token_logprobs", 3, -math.inf), "-Infinity is no number"),
    "too large for a float": (sent(b'{"a": 1e999, "model": "words-1", "choices": []}'), "1e999 is no number"),
    "above 0": (put("token_logprobs", 3, 0.5), "token 3 is 0.5; the logarithm of a probability cannot exceed 0"),
    "what vLLM writes for minus infinity": (put("token_logprobs", 3, -9999.0), "holds to be impossible"),
    "null": (put("token_logprobs", 3, None), "token 3 is None, not a number"),
    "text": (put("token_logprobs", 3, "-1.5"), "token 3 is '-1.5', not a number"),
    "truth": (put("token_logprobs", 3, False), "token 3 is False, not a number"),
    "one number less": (logprobs(lambda told: told["token_logprobs"].pop()), "9 tokens, but 8 log-probabilities"),
    "no numbers": (logprobs(lambda told: told.update(token_logprobs=None)), "token_logprobs is None, not a list"),
    "another token": (put("tokens", 3, " dog"), "do not give back the prefix '<s>' and the text"),
    "a token less": (
        logprobs(lambda told: [told[name].pop(3) for name in ("tokens", "token_logprobs", "text_offset")]),
        "its tokens do not give back the text",
    ),
    "tokens in another order": (logprobs(lambda told: told["tokens"].reverse()), "do not give back"),
    "offsets that go backwards": (put("text_offset", 3, 0), "text_offsets go backwards"),
    "a wrong count": (whole(lambda reply: reply["usage"].update(prompt_tokens=7)), "counts 7 tokens"),
    "no count": (whole(lambda reply: reply.pop("usage")), "has no 'usage'"),
    "a negative count": (whole(lambda reply: reply["usage"].update(completion_tokens=-1)), "not a whole number"),
    "no echo": (whole(lambda reply: reply["choices"][0].update(text=" alpha")), "does not repeat the prompt"),
    "no log-probabilities": (
        whole(lambda reply: reply["choices"][0].update(logprobs=None)),
        "gives no log-probabilities",
    ),
    "two choices": (
        whole(lambda reply: reply.update(choices=reply["choices"] * 2)),
        "2 choices in answer to one prompt",
    ),
    "the second choice": (whole(lambda reply: reply["choices"][0].update(index=1)), "only choice has the index 1"),
    "another model": (
        whole(lambda reply: reply.update(model="other")),
        "answers for the model 'other', asked was 'words-1'",
    ),
    "no model": (whole(lambda reply: reply.pop("model")), "has no 'model'"),
    "a list": (sent(b"[]"), "the reply is \\[\\], not an object"),
    "twice the same name": (sent(b'{"model": "words-1", "model": "words-1"}'), "'model' stands twice"),
    "nested too deep": (sent(b"[" * 10**5), "no JSON, or cut off.*after 2 tries"),
    "no JSON": (sent(b"oops"), "no JSON, or cut off: oops, after 2 tries"),
    "no UTF-8": (sent(b'{"a": "\xff"}'), "no JSON"),
    "another kind of content": (sent(b"{}", **{"Content-Type": "text/html"}), "it answers with text/html, not JSON"),
    "a bomb": (sent(gzip.compress(b" " * 10**6), **{"Content-Encoding": "gzip"}), "compressed, which nobody asked for"),
    "a redirect": (spoiling(lambda *_: Reply({}, 307, {"Location": "http://x.test/"})), r"it redirects \(HTTP 307\)"),
    "a refusal": (spoiling(lambda *_: Reply({"error": {"message": "too long"}}, 400)), "HTTP 400: too long"),
    "always busy": (spoiling(lambda *_: Reply({"detail": "later"}, 503)), "HTTP 503: later, after 2 tries"),
    "busy for an hour": (
        spoiling(lambda *_: Reply({"error": "quota"}, 429, {**JSON, "Retry-After": "3600"})),
        "HTTP 429: quota; it asks to wait 3600 s",
    ),
    "escape sequences": (
        spoiling(lambda *_: Reply({"error": "\x1b[2Jgone\n::error::x"}, 400)),
        r"HTTP 400: \[2Jgone ::error::x$",
    ),
    "a long error": (spoiling(lambda *_: Reply({"error": "x" * 9999}, 400)), "HTTP 400: x{299}…$"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_an_error(server: StubServer, name: str) -> None:
    server.script, message = WRONG[name]
    model = Endpoint(server.url, prefix=BOS, retries=1)

    with pytest.raises(MisuseError, match=message) as raised:
        model.score([TEXT])

    assert f"127.0.0.1:{server.port}" in str(raised.value)
    assert "\x1b" not in str(raised.value)


def by_bytes(file: Any, data: bytes) -> None:
    for place in range(len(data)):
        time.sleep(0.03)
        file.write(data[place : place + 1])
        file.flush()


SLOW: dict[str, Callable[[Any, bytes], object]] = {
    "body": by_bytes,
    "headers": lambda file, _: by_bytes(file, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 99),
}


@pytest.mark.parametrize("where", SLOW)
def test_a_server_that_says_a_byte_at_a_time_is_given_up(server: StubServer, where: str) -> None:
    server.script = spoiling(lambda _, reply: Reply(reply.content, send=SLOW[where], bare=where == "headers"))
    model = Endpoint(server.url, prefix=BOS, retries=0, timeout=0.3)

    with pytest.raises(MisuseError, match=r"no answer within 0\.3 s"):
        model.score([TEXT])


def cut_off(file: Any, data: bytes) -> None:
    file.write(data[:-20])


PASSING: dict[str, Callable[[Asked, Reply], Reply]] = {
    "a lost connection": lambda _, reply: Reply(reply.content, send=lambda *_: None, bare=True),
    "half an answer": lambda _, reply: Reply(reply.content, send=cut_off),
    "less than it said": lambda _, reply: Reply(
        reply.content, send=cut_off, headers={**JSON, "Content-Length": "5000"}
    ),
    "overload": lambda *_: Reply({}, 503),
    "too many requests": lambda *_: Reply({}, 429, {**JSON, "Retry-After": "7"}),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(server: StubServer, waited: list[float], name: str) -> None:
    failed: list[Asked] = []

    def once(asked: Asked, reply: Reply) -> Reply | None:
        failed.append(asked)
        return PASSING[name](asked, reply) if len(failed) < 3 else None

    server.script = spoiling(once)
    model = Endpoint(server.url, prefix=BOS)

    assert model.score([TEXT]) == [RIGHT]
    assert (len(failed), model.usage.retries, len(waited)) == (3, 2, 2)
    least = 7.0 if name == "too many requests" else 0.0
    assert least <= waited[0] <= least + 1.0
    assert least <= waited[1] <= least + 2.0


def test_errors_at_random_change_no_number(server: StubServer) -> None:
    drawn = random.Random(5)
    texts = [f"the cat number {number}" for number in range(20)]
    wrong = [
        Reply({}, 500),
        Reply(b'{"choices": [', headers=JSON),
        Reply({}, 429),
        Reply(send=lambda *_: None, bare=True),
    ]
    server.script = lambda asked: drawn.choice(wrong) if asked.body and drawn.random() < 0.3 else vllm_like(asked)
    model = Endpoint(server.url, prefix=BOS, retries=20)

    assert model.score(texts) == [log_probabilities(text) for text in texts]
    assert model.generate(texts, Decoding(max_tokens=3)) == ["".join(continuation(text, 3)) for text in texts]
    assert model.usage.retries > 5


def test_no_more_are_under_way_than_was_allowed(server: StubServer) -> None:
    three = threading.Barrier(3)

    def slowly(asked: Asked) -> Reply:
        if asked.body:
            three.wait(30)
            time.sleep(0.005)  # in which a fourth would be heard
        return vllm_like(asked)

    server.script = slowly
    Endpoint(server.url, concurrency=3).generate([f"prompt {number}" for number in range(12)], Decoding(max_tokens=1))

    assert server.most_under_way == 3


def test_after_a_failure_no_more_is_asked(server: StubServer) -> None:
    server.script = lambda asked: Reply({"error": "no"}, 400) if asked.body else honest(asked)

    with pytest.raises(MisuseError, match="HTTP 400: no"):
        Endpoint(server.url, concurrency=2).generate(["a"] * 50, Decoding(max_tokens=1))
    assert len(server.questions) <= 2


@pytest.mark.parametrize("how", ["at once", "without end"])
def test_an_answer_is_no_longer_than_was_allowed(server: StubServer, how: str) -> None:
    def endless(file: Any, _: bytes) -> None:
        while True:
            file.write(b" " * 4096)

    server.script = lambda _: Reply(
        b" " * 20_000 if how == "at once" else b"", send=None if how == "at once" else endless
    )
    client = Client(server.url, Key, patience=Patience(most_bytes=10_000))

    (answer,) = client.ask([Question("/completions", {})])

    assert isinstance(answer, Failure)
    assert answer.reason == "its answer has more than 10,000 bytes"


def test_a_refusal_comes_without_the_frames_that_hold_the_key(server: StubServer) -> None:
    server.script = lambda _: Reply({"error": "no"}, 400)

    (answer,) = Client(server.url, Key).ask([Question("/completions", {})])

    assert isinstance(answer, Failure)
    assert (answer.status, answer.__traceback__) == (400, None)


def test_a_redirect_takes_the_key_nowhere(server: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    with serving() as elsewhere:
        server.script = lambda _: Reply({}, 302, {"Location": f"{elsewhere.url}/models"})

        with pytest.raises(MisuseError, match=r"redirects \(HTTP 302\), which is not followed"):
            Endpoint(server.url, MODEL).generate(["a"], Decoding(max_tokens=1))

        assert not elsewhere.asked


def test_nobody_there(server: StubServer) -> None:
    with serving() as gone:
        address = gone.url

    with pytest.raises(
        MisuseError, match=r"did not say which models it has \(/models\): the connection failed \(ConnectError"
    ):
        Endpoint(address, retries=1).score([TEXT])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finish_reason": "content_filter"}, "ended for the reason 'content_filter'"),
        ({"finish_reason": None}, "ended for the reason None"),
        ({"text": None}, "the text is None"),
        ({"text": "\ud800"}, "no valid Unicode"),
    ],
)
def test_a_text_that_is_not_whole_is_an_error(server: StubServer, change: dict[str, Any], message: str) -> None:
    def script(asked: Asked) -> Reply:
        reply = honest(asked)
        if asked.body:
            reply.content["choices"][0].update(change)
        return reply

    server.script = script

    with pytest.raises(MisuseError, match=message):
        Endpoint(server.url).generate(["the cat"], Decoding(max_tokens=3))


@pytest.mark.parametrize(
    ("count", "message"),
    [(2, "ended after 2 of 3 tokens, where the context was full"), (4, "wrote 4 tokens, although 3 were the most")],
)
def test_a_text_of_another_length_is_an_error(server: StubServer, count: int, message: str) -> None:
    def script(asked: Asked) -> Reply:
        reply = honest(asked)
        if asked.body:
            reply.content["usage"]["completion_tokens"] = count
        return reply

    server.script = script

    with pytest.raises(MisuseError, match=message):
        Endpoint(server.url).generate(["the cat"], Decoding(max_tokens=3))
