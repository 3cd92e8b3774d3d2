"""A small server of a causal model that speaks `echo` with `logprobs`, like vLLM, reads tokens by their numbers if it has a
context, and streams: `python echo_server.py MODEL PORT`.

Its numbers come from the model's own logits, one text at a time, in float64: no line of the package computes them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NAME = "tiny"


class Model:
    """What is served."""

    def __init__(self, folder: str) -> None:
        torch.set_num_threads(1)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.module: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.lock = Lock()

    def log_probs(self, tokens: list[int]) -> torch.Tensor:
        """Of the token after each of these, `[tokens, vocabulary]`."""
        with self.lock, torch.no_grad():
            return self.module(torch.tensor([tokens])).logits[0].double().log_softmax(-1)  # type: ignore[no-any-return]

    def written(self, tokens: list[int], count: int) -> Iterator[tuple[int, float]]:
        """The most probable tokens, one after another, up to the end token."""
        tokens = list(tokens)
        for _ in range(count):
            row = self.log_probs(tokens)[-1]
            token = int(row.argmax())
            yield token, float(row[token])
            if token == self.tokenizer.eos_token_id:
                return
            tokens.append(token)


def complete(model: Model, body: dict[str, Any]) -> dict[str, Any]:
    """The reply to a question that is not streamed."""
    tokens = read(model, body["prompt"])
    answer = list(model.written(tokens, body["max_tokens"]))
    text = model.tokenizer.decode([token for token, _ in answer], skip_special_tokens=True)
    choice = {"index": 0, "text": text, "finish_reason": _reason(model, answer), "logprobs": None}
    if body.get("logprobs") is not None:
        choice["logprobs"] = _listed(model, tokens if body.get("echo") else [], answer)
    if body.get("echo"):
        choice["text"] = body["prompt"] + text
    if body.get("prompt_logprobs") is not None:
        choice |= {"prompt_token_ids": tokens, "prompt_logprobs": _rows(model, tokens)}
    return {"object": "text_completion", "model": NAME, "choices": [choice], "usage": _usage(tokens, answer)}


def read(model: Model, prompt: str | list[int]) -> list[int]:
    found: list[int] = model.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
    return found


def _rows(model: Model, tokens: list[int]) -> list[dict[str, Any] | None]:
    rows = model.log_probs(tokens)
    scored = [(token, float(rows[place, token])) for place, token in enumerate(tokens[1:])]
    written = model.tokenizer.decode
    return [
        None,
        *({str(token): {"logprob": score, "decoded_token": written([token])}} for token, score in scored),
    ]


def _listed(model: Model, tokens: list[int], answer: list[tuple[int, float]]) -> dict[str, Any]:
    given: list[float | None] = []
    if tokens:
        rows = model.log_probs(tokens)
        given = [None, *(float(rows[place, token]) for place, token in enumerate(tokens[1:]))]
    shown = [model.tokenizer.decode([token]) for token in [*tokens, *(token for token, _ in answer)]]
    return {"tokens": shown, "token_logprobs": [*given, *(score for _, score in answer)], "top_logprobs": None}


def stream(model: Model, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Pieces of two tokens, as servers send them that speculate: a piece is no token."""
    tokens = model.tokenizer(body["prompt"])["input_ids"]
    answer: list[tuple[int, float]] = []
    sent = ""
    for pair in model.written(tokens, body["max_tokens"]):
        answer.append(pair)
        text = model.tokenizer.decode([token for token, _ in answer], skip_special_tokens=True)
        if len(answer) % 2 == 0 and not text.endswith("\ufffd"):
            yield _piece(text[len(sent) :], None)
            sent = text
    text = model.tokenizer.decode([token for token, _ in answer], skip_special_tokens=True)
    yield _piece(text[len(sent) :], _reason(model, answer))
    yield {"object": "text_completion", "model": NAME, "choices": [], "usage": _usage(tokens, answer)}


def _piece(text: str, reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
    return {"object": "text_completion", "model": NAME, "choices": [choice]}


def _reason(model: Model, answer: list[tuple[int, float]]) -> str:
    return "stop" if answer and answer[-1][0] == model.tokenizer.eos_token_id else "length"


def _usage(tokens: list[int], answer: list[tuple[int, float]]) -> dict[str, int]:
    read, written = len(tokens), len(answer)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    model: Model

    def do_GET(self) -> None:
        assert isinstance(self.server, Served)
        told = {"id": NAME, "object": "model", "owned_by": "tests", "max_model_len": self.server.context}
        self._send(200, {"object": "list", "data": [told]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Served)
        if not self.server.may_answer():
            self.close_connection = True
        elif self.path == "/tokenize" and self.server.context is not None:
            tokens = self.model.tokenizer(body["prompt"], add_special_tokens=body["add_special_tokens"])["input_ids"]
            self._send(200, {"tokens": tokens, "count": len(tokens)})
        elif self.path != "/v1/completions":
            self._send(404, {"detail": "Not Found"})
        elif self.server.context is not None and len(read(self.model, body["prompt"])) >= self.server.context:
            said = f"This model's maximum context length is {self.server.context} tokens."
            self._send(400, {"error": {"message": said, "type": "BadRequestError"}})
        elif not body.get("stream"):
            self._send(200, complete(self.model, body))
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in stream(self.model, body):
                self._event(json.dumps(event))
            self._event("[DONE]")
            self.close_connection = True

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _send(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


class Served(ThreadingHTTPServer):
    """A server of a model; threads of its own answer.

    Args:
        model: what is served.
        port: where; 0: wherever there is a place.
        answers: after so many it breaks down, with all its connections, as if it were killed; None: never.
        context: tokens of a prompt and what is written; None: it does not say, and is asked about short ones only.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, model: Model, port: int = 0, *, answers: int | None = None, context: int | None = None) -> None:
        super().__init__(("127.0.0.1", port), type("OwnHandler", (Handler,), {"model": model}))
        self.model, self.asked, self.answers, self.context = model, 0, answers, context
        self._counting = Lock()
        self.is_down = Event()

    def may_answer(self) -> bool:
        """Called for each question; the first one that it may not answer closes it for others too."""
        with self._counting:
            self.asked += 1
            alive = self.answers is None or self.asked <= self.answers
            if self.answers is not None and self.asked == self.answers + 1:
                self.shutdown()
                self.server_close()
                self.is_down.set()
        return alive

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


if __name__ == "__main__":
    Served(Model(sys.argv[1]), int(sys.argv[2])).serve_forever()
