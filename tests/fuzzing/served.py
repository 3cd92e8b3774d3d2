"""What comes from a server: its address is what people write, its replies may be anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_llm.models.endpoint import echo, prompt_log_probs
from pytest_llm.models.endpoint.address import Address, read_address
from pytest_llm.models.endpoint.client import Lines, Patience, Question, said
from pytest_llm.models.endpoint.engines import read_build, read_facts
from pytest_llm.models.endpoint.key import Key
from pytest_llm.models.endpoint.reading import WrongReply, parsed
from pytest_llm.models.endpoint.retrying import Failure, wait_of
from pytest_llm.models.endpoint.server import Server
from pytest_llm.models.endpoint.streaming import read_stream
from pytest_llm.models.endpoint.token_ids import read_tokens, read_window
from pytest_llm.models.endpoint.too_long import read_refusal
from pytest_llm.models.endpoint.whole_prompts import WholePrompts
from pytest_llm.models.endpoint.writing import read_text
from pytest_llm.tasks.decoding import Decoding
from tests.fuzzing.parser import Parser, of_text, texts

_TEXT = "one two"
_USAGE = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
_ECHO = {
    "model": "tiny",
    "choices": [
        {
            "index": 0,
            "text": "one two three",
            "finish_reason": "length",
            "logprobs": {
                "tokens": ["one", " two", " three"],
                "token_logprobs": [None, -1.5, -0.25],
                "text_offset": [0, 3, 7],
                "top_logprobs": None,
            },
        }
    ],
    "usage": _USAGE,
}
_PROMPT = {
    "model": "tiny",
    "choices": [
        {
            "index": 0,
            "text": " three",
            "finish_reason": "length",
            "prompt_token_ids": [5, 6],
            "token_ids": [7],
            "prompt_logprobs": [None, {"6": {"logprob": -1.5, "rank": 1, "decoded_token": " two"}}],
            "logprobs": {"tokens": [" three"], "token_logprobs": [-0.25]},
        }
    ],
    "usage": _USAGE,
}
_CHAT = {
    "model": "tiny",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": _USAGE,
}
_EVENTS = (
    b'data: {"model": "tiny", "choices": [{"index": 0, "delta": {"content": "Yes"}, "finish_reason": null}]}\n\n'
    b'data: {"model": "tiny", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\r\n\r\n'
    b'data: {"model": "tiny", "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1}}\n\ndata: [DONE]\n\n'
)


def _of_reply(read: Callable[[Any], Any]) -> Callable[[Path], Any]:
    """A reader of a reply; bytes that are no JSON are asked for again by the client."""

    def made(path: Path) -> Any:
        try:
            reply = parsed(path.read_bytes())
        except ValueError:
            return None
        return read(reply)

    return made


def _error(path: Path) -> object:
    body = path.read_bytes()
    words = said(body, Key("a-secret-of-many-letters"))
    assert words.isprintable(), words
    assert len(words) <= 300, words
    try:
        told = parsed(body)
    except (ValueError, WrongReply):
        told = None
    return words, read_refusal(400, told, words)


class _Client:
    """Streams what is in a file, as the client reads it, in small pieces."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, question: Question) -> Iterator[str | Failure]:
        lines = Lines()
        try:
            for start in range(0, len(self._content), 1000):
                yield from lines.events(self._content[start : start + 1000])
        except Failure as failure:
            yield failure


def _stream(path: Path) -> object:
    server = Server(Address("http://127.0.0.1:1/v1"), "tiny", None, 1, Patience())
    server.client = _Client(path.read_bytes())  # type: ignore[assignment]
    prompts = WholePrompts(server, lambda text: Question("/chat/completions", {}, text))
    return list(read_stream(server, Question("/chat/completions", {}), Decoding(), prompts))


def _seeds(*replies: object) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(reply).encode() for reply in replies]


def _reply(read: Callable[[Any], Any], *seeds: object) -> Parser:
    return Parser(_of_reply(read), _seeds(*seeds), "reply.json", allowed=(WrongReply,), names_file=False)


PARSERS: dict[str, Parser] = {
    "server_address": Parser(
        of_text(read_address),
        texts("http://127.0.0.1:8000/v1#tiny@main&prefix=%3Cs%3E&mode=chat", "https://[::1]:8/v1", "HTTP://a.b"),
        names_file=False,
    ),
    "server_echo": _reply(lambda reply: echo.read(reply, "", _TEXT), _ECHO),
    "server_prompt": _reply(lambda reply: prompt_log_probs.read(reply, "", _TEXT), _PROMPT),
    "server_tokens": _reply(read_tokens, {"count": 2, "max_model_len": 64, "tokens": [5, 6], "token_strs": None}),
    "server_window": _reply(lambda reply: read_window(reply, [5, 6]), _PROMPT),
    "server_text": _reply(lambda reply: read_text(reply, Decoding(max_tokens=1)), _CHAT, {**_ECHO, "usage": _USAGE}),
    "server_models": _reply(
        lambda reply: (read_facts(reply, None), read_build(reply)),
        {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "vllm", "max_model_len": 64}]},
    ),
    "server_error": Parser(
        _error,
        _seeds(
            {"error": {"message": "no", "type": "x"}},
            {"detail": [{"msg": "no"}]},
            {"error": {"message": "request (21 tokens) exceeds the available context size (16 tokens)", "n_ctx": 16}},
        ),
        allowed=(),
        names_file=False,
    ),
    "server_stream": Parser(_stream, lambda: [_EVENTS], "events.txt", names_file=False),
    "server_retry_after": Parser(
        of_text(lambda text: wait_of({"retry-after": text})),
        texts("30", "Wed, 21 Oct 2026 07:28:00 GMT"),
        allowed=(),
        names_file=False,
    ),
}
