"""A server on this machine whose answers are scripted: honest by default, in the shapes that real ones have.

It speaks for a small model: words, each as probable as the word before it makes it. Its log-probabilities are known to the tests,
which ask `log_probabilities` for them.
"""

from __future__ import annotations

import json
import math
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

MODEL = "words-1"
BOS = "<s>"
LIKELY = (" alpha", " beta", " gamma")


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    body: Any
    headers: Mapping[str, str]
    number: int
    """How many came before it."""


@dataclass
class Reply:
    """What is sent back: by default JSON with status 200."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    send: Callable[[Any, bytes], object] | None = None
    """Writes the body itself, to the file and from the bytes that were meant."""
    bare: bool = False
    """`send` writes the status and the headers too."""

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


def words(text: str) -> list[str]:
    """The tokens of a text; the BOS token is one."""
    return re.findall(r"<s>| ?\w+| ?[^\w\s]|\s", text)


def likely_after(token: str) -> str:
    return LIKELY[zlib.crc32(token.encode()) % len(LIKELY)]


def log_probability(token: str, before: str) -> float:
    """The most likely word has 0.6; others share the rest by a checksum of both."""
    if token == likely_after(before):
        return math.log(0.6)
    return math.log(0.4 / (2 + zlib.crc32(f"{before}|{token}".encode()) % 1000))


def log_probabilities(text: str, prefix: str = BOS) -> list[float]:
    """Of each token of a text behind the prefix."""
    tokens = [*words(prefix), *words(text)]
    scored = [log_probability(token, before) for before, token in pairwise(tokens)]
    return scored[len(words(prefix)) - 1 :] if prefix else scored


def continuation(prompt: str, count: int) -> list[str]:
    tokens = words(prompt)
    for _ in range(count):
        tokens.append(likely_after(tokens[-1]))
    return tokens[len(tokens) - count :]


def completion(body: Mapping[str, Any], *, hides_bos: bool = True) -> dict[str, Any]:
    """What llama-cpp-python's server answers behind a BOS token, which it does not list; as vLLM does where it `hides_bos` not."""
    prompt = body["prompt"]
    tokens = words(prompt)
    written = continuation(prompt, body["max_tokens"])
    text = (prompt if body.get("echo") else "") + "".join(written)
    choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": "length", "logprobs": None}
    if body.get("logprobs") is not None:
        everything = [*tokens, *written]
        given: list[float | None] = [None, *(log_probability(b, a) for a, b in pairwise(everything))]
        first = len(tokens) if not body.get("echo") else int(hides_bos and tokens[0] == BOS)
        shown, given = everything[first:], given[first:]
        if body.get("echo"):
            given[0] = None
        offsets = [sum(map(len, shown[:place])) for place in range(len(shown))]
        choice["logprobs"] = {"tokens": shown, "token_logprobs": given, "text_offset": offsets, "top_logprobs": None}
    return reply(body, choice, len(tokens), len(written))


def off_by_one(body: Mapping[str, Any]) -> dict[str, Any]:
    """What llama-cpp-python's server answers without a BOS token: each token has the number of the next row."""
    answer = completion(body)
    told = answer["choices"][0]["logprobs"]
    if words(body["prompt"])[0] != BOS:
        tokens = told["tokens"] = told["tokens"][:-1]
        told["token_logprobs"] = [None, *(log_probability(token, token) for token in tokens[1:])]
        told["text_offset"] = told["text_offset"][:-1]
    return answer


def like_vllm(body: Mapping[str, Any]) -> dict[str, Any]:
    """`prompt_logprobs` as vLLM has them, and no echo. Its numbers of tokens are their checksums."""
    told = dict(body)
    if told.pop("echo", False):
        return completion({**told, "logprobs": None})
    answer = completion(told)
    tokens = words(body["prompt"])
    ids = [zlib.crc32(token.encode()) for token in tokens]
    if "prompt_logprobs" in body:
        rows = [
            {str(number): {"logprob": log_probability(token, before), "rank": 1, "decoded_token": token}}
            for (before, token), number in zip(pairwise(tokens), ids[1:], strict=True)
        ]
        answer["choices"][0] |= {"prompt_logprobs": [None, *rows], "prompt_token_ids": ids}
    return answer


def chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """It writes on what was said last."""
    said = body["messages"][-1]["content"]
    read = sum(len(words(message["content"])) for message in body["messages"])
    written = continuation(said, body["max_tokens"])
    message = {"role": "assistant", "content": "".join(written)}
    return reply(body, {"index": 0, "message": message, "finish_reason": "length"}, read, len(written))


def reply(body: Mapping[str, Any], choice: dict[str, Any], read: int, written: int) -> dict[str, Any]:
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {"id": "1", "object": "x", "model": body["model"], "choices": [choice], "usage": usage}


def honest(asked: Asked) -> Reply:
    """The default script."""
    match asked.path:
        case "/v1/models":
            return Reply({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "me"}]})
        case "/v1/completions":
            return Reply(completion(asked.body))
        case "/v1/chat/completions":
            return Reply(chat(asked.body))
        case _:
            return Reply({"detail": "Not Found"}, 404)


class StubServer:
    """A server for the length of a `with` block of `serving`; what came is in `asked`."""

    def __init__(self, script: Callable[[Asked], Reply]) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def questions(self) -> list[Asked]:
        """Without those about what there is."""
        return [asked for asked in self.asked if asked.body is not None]


def _handler(stub: StubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self, body: Any) -> None:
            with stub.lock:
                asked = Asked(self.path, body, dict(self.headers.items()), len(stub.asked))
                stub.asked.append(asked)
                stub.under_way += 1
                stub.most_under_way = max(stub.most_under_way, stub.under_way)
            try:
                self._send(stub.script(asked))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with stub.lock:
                    stub.under_way -= 1

        def _send(self, reply: Reply) -> None:
            data = reply.data
            if reply.bare and reply.send is not None:
                self.close_connection = True
                reply.send(self.wfile, data)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.send is not None:
                self.close_connection = True
                self.end_headers()
                reply.send(self.wfile, data)
                return
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler


@contextmanager
def serving(script: Callable[[Asked], Reply] = honest) -> Iterator[StubServer]:
    """A server on a free port of this machine."""
    stub = StubServer(script)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    server.daemon_threads = True
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
