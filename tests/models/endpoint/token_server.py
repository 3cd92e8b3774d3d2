"""A script for the stub server: vLLM, which reads tokens by their numbers, too, and says no to what its context does not hold.

What stands far before a token counts too, so that a window that is cut otherwise has other numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any

from pytest_llm.models.language_model import Window
from tests.models.endpoint.stub_server import MODEL, Asked, Reply, honest, like_vllm, log_probability, words

CONTEXT = 32
SHORT, LONG = "the cat sat", " ".join(f"word{number} and" for number in range(40))
FADES = 0.002
"""Nats that a token loses with each one before it."""


class TokenServer:
    """Honest, unless it is told to spoil.

    Args:
        context: tokens of a prompt and its answer.
        puts: what it puts in front of a text.
    """

    def __init__(self, context: int = CONTEXT, puts: str = "") -> None:
        self.context, self.puts = context, puts
        self.told: int | None = context
        self.spoil: Callable[[Asked, Reply], Reply | None] = lambda asked, reply: None
        self._written: dict[int, str] = {}

    def tokens(self, text: str) -> list[int]:
        found = {zlib.crc32(word.encode()): word for word in words(text)}
        self._written.update(found)
        return [zlib.crc32(word.encode()) for word in words(text)]

    def scores(self, tokens: Sequence[int]) -> list[float]:
        """Of all tokens but the first."""
        pieces = [self._written[token] for token in tokens]
        return [
            log_probability(after, before) - FADES * place for place, (before, after) in enumerate(pairwise(pieces), 1)
        ]

    def __call__(self, asked: Asked) -> Reply:
        reply = self._reply(asked)
        return self.spoil(asked, reply) or reply

    def _reply(self, asked: Asked) -> Reply:
        body = asked.body
        if body is None:
            told = {} if self.told is None else {"max_model_len": self.told}
            return Reply({"data": [{"id": MODEL, "owned_by": "vllm", **told}]})
        if asked.path == "/tokenize":
            tokens = self.tokens((self.puts if body["add_special_tokens"] else "") + body["prompt"])
            return Reply({"tokens": tokens, "count": len(tokens), "max_model_len": self.context, "token_strs": None})
        if asked.path != "/v1/completions":
            return honest(asked)
        prompt = body["prompt"]
        tokens = self.tokens(self.puts + prompt) if isinstance(prompt, str) else prompt
        if len(tokens) + body["max_tokens"] > self.context:
            own = f"your prompt contains {len(tokens)} input tokens"
            said = f"This model's maximum context length is {self.context} tokens. However, {own}"
            return Reply({"error": {"message": said, "type": "BadRequestError", "code": 400}}, 400)
        if any(token not in self._written for token in tokens):
            return Reply({"error": {"message": "Token id 7 is out of vocabulary", "type": "BadRequestError"}}, 400)
        return Reply(self._answer(body, tokens))

    def _answer(self, body: dict[str, Any], tokens: list[int]) -> dict[str, Any]:
        answer = like_vllm({**body, "prompt": "".join(self._written[token] for token in tokens)})
        choice = answer["choices"][0]
        for place, row in enumerate(choice.get("prompt_logprobs", ())):
            for entry in (row or {}).values():
                entry["logprob"] -= FADES * place
        if choice["logprobs"] is not None:
            choice["logprobs"]["token_logprobs"][0] -= FADES * len(tokens)
        return answer


def rows(reply: Reply) -> list[Any]:
    """The log-probabilities of a prompt in a reply, to spoil them."""
    found: list[Any] = reply.content["choices"][0]["prompt_logprobs"]
    return found


def of_window(asked: Asked) -> bool:
    """Whether it is a question about tokens."""
    return asked.body is not None and isinstance(asked.body.get("prompt"), list)


def of_windows(script: TokenServer, windows: Sequence[Window]) -> list[float]:
    """The log-probabilities that the windows have, by the formula of the stub."""
    return list(chain.from_iterable(script.scores(window.tokens)[-window.scored :] for window in windows))


def last(asked: Asked) -> bool:
    """Whether it is a question about the end of the long text."""
    return of_window(asked) and asked.body["prompt"][-1] == TokenServer().tokens(LONG)[-1]
