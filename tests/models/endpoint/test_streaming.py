"""Texts that come piece by piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_llm import Decoding, Endpoint, MisuseError
from tests.models.endpoint.stub_server import MODEL, Asked, Reply, StubServer, continuation, honest

PIECES = continuation("the cat", 3)


def event(text: str = "", reason: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "text": text, "finish_reason": reason}
    return f"data: {json.dumps({'model': MODEL, 'choices': [choice], **more})}\n\n"


def usage(count: int) -> str:
    told = {"prompt_tokens": 2, "completion_tokens": count}
    return f"data: {json.dumps({'model': MODEL, 'choices': [], 'usage': told})}\n\n"


DONE = "data: [DONE]\n\n"
WHOLE = [event(piece) for piece in PIECES] + [event(reason="length"), usage(3), DONE]


def streaming(server: StubServer, *events: str, kind: str = "text/event-stream") -> list[str]:
    def script(asked: Asked) -> Reply:
        if not asked.body:
            return honest(asked)
        data = "".join(events).encode()
        # byte by byte in part: an event may come in any pieces
        return Reply(
            data, headers={"Content-Type": kind}, send=lambda file, data: [file.write(data[:9]), file.write(data[9:])]
        )

    server.script = script
    return list(Endpoint(server.url).stream("the cat", Decoding(max_tokens=3)))


@pytest.mark.parametrize(
    "events",
    [
        WHOLE,
        WHOLE[:-1],  # transformers serve says no [DONE]
        [*WHOLE[:2], ": ping\n\n", "event: x\n\n", *WHOLE[2:]],
        [text.replace("\n", "\r\n") for text in WHOLE],
        [event(""), *WHOLE],
    ],
)
def test_pieces_come_one_after_the_other(server: StubServer, events: list[str]) -> None:
    assert streaming(server, *events) == PIECES
    assert server.questions[-1].body["stream"] is True


def test_pieces_that_do_not_say_what_they_are_of_are_no_sign_of_change(
    server: StubServer, recwarn: pytest.WarningsRecorder
) -> None:
    """The server vLLM says it with the last event only."""
    told = {"usage": {"prompt_tokens": 2, "completion_tokens": 3}, "system_fingerprint": "vllm-0.32.0-a8a5c605"}
    last = f"data: {json.dumps({'model': MODEL, 'choices': [], **told})}\n\n"
    model = Endpoint(server.url)
    server.script = lambda asked: (
        honest(asked)
        if not asked.body
        else Reply("".join([*WHOLE[:4], last, DONE]).encode(), headers={"Content-Type": "text/event-stream"})
    )

    for _ in range(2):
        assert list(model.stream("the cat", Decoding(max_tokens=3))) == PIECES
    assert not recwarn


def test_pieces_of_a_chat(server: StubServer) -> None:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None},
        *({"content": piece} for piece in PIECES),
        {},
    ]
    reasons = [None] * (len(deltas) - 1) + ["length"]
    events = [
        f"data: {json.dumps({'model': MODEL, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]})}\n\n"
        for delta, reason in zip(deltas, reasons, strict=True)
    ]

    assert streaming(server, *events, DONE) == PIECES


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (WHOLE[:2], "the stream broke off before the text was complete"),
        ([*WHOLE[:2], DONE], "the stream broke off before the text was complete"),
        ([WHOLE[0], *WHOLE], "4 pieces came, and it counts 3 tokens"),
        ([*WHOLE[:4], WHOLE[2]], "goes on behind its end"),
        ([*WHOLE[:3], 'data: {"model"\n\n'], "no JSON, or cut off"),
        ([*WHOLE[:2], 'data: {"error": {"message": "out of memory"}}\n\n'], "'out of memory'"),
        ([event("a", model="other")], "answers for the model 'other'"),
        ([event("a", "content_filter"), DONE], "ended for the reason 'content_filter'"),
        (
            [event(" a"), event(reason="length"), usage(1), DONE],
            "ended after 1 of 3 tokens, where the context was full",
        ),
        (["data: \xff\n\n"], "no JSON"),
    ],
)
def test_what_is_no_whole_stream_is_an_error(server: StubServer, events: list[str], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        streaming(server, *events)


def test_a_stream_that_is_none(server: StubServer) -> None:
    with pytest.raises(MisuseError, match="it answers with text/html, not a stream"):
        streaming(server, "<html>", kind="text/html")


def test_whoever_stops_listening_ends_the_request(server: StubServer) -> None:
    server.script = lambda asked: (
        honest(asked)
        if not asked.body
        else Reply(
            "".join(WHOLE).encode(),
            headers={"Content-Type": "text/event-stream"},
            send=lambda file, data: file.write(data),
        )
    )
    pieces = iter(Endpoint(server.url).stream("the cat", Decoding(max_tokens=3)))

    assert next(pieces) == PIECES[0]
    pieces.close()  # a generator
