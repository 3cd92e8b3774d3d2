"""Whether a server has read a prompt whole, by what it counts.

Nobody can count its tokens here. But most tokenizers cut at spaces, so that a prompt has at least as many tokens as words. Where a
server counts fewer, it has left out a part, or its tokenizer joins words (SuperBPE, Liu et al. 2025, arXiv:2503.13423). Then it
counts the prompt's two halves, which are cut between two words. A tokenizer that joins words in the whole joins them in the halves,
which have as many tokens together, unless they are cut within one. Where something was left out of the whole, they have more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytest_llm.models.endpoint.client import Question
from pytest_llm.models.endpoint.reading import WrongReply, usage_of
from pytest_llm.models.endpoint.server import Server
from pytest_llm.models.endpoint.writing import Conversation, words_of
from pytest_llm.usage import Usage

ROUNDING = 1
"""Tokens that a half may have for its own: SentencePiece begins each text with a space."""
MOST_WORDS = 8
"""In a token. So of as many places one is between two tokens, one that is cut becomes no more, and no context is as short."""


class WholePrompts:
    """Refuses answers to a part of a prompt.

    Args:
        server: who is asked.
        question: asks about a prompt, for one token.
    """

    def __init__(self, server: Server, question: Callable[[str], Question]) -> None:
        self._server, self._question = server, question
        self._around: dict[bool, int] = {}
        self._later: dict[str, Usage] | None = None

    def refuse_cut(self, usage: Usage, prompt: str) -> None:
        """Raise WrongReply for a prompt of which the server has read a part."""
        if usage.prompt_tokens >= (words := len(words_of(prompt).split())):
            return
        if self._later is not None:
            self._later[prompt] = usage
        elif not self._joins_words(usage.prompt_tokens, prompt):
            raise WrongReply(
                f"it counts {usage.prompt_tokens:,} tokens in a prompt of {words:,} words: it has cut the prompt; serve the model "
                f"with a longer context, or shorten the prompt"
            )

    @contextmanager
    def later(self) -> Iterator[None]:
        """Within the block nothing is asked besides, since it is timed; what there is to ask is asked at its end."""
        if self._later is not None:
            yield  # the block round this one asks
            return
        doubts = self._later = dict[str, Usage]()
        try:
            yield
        finally:
            self._later = None
        with self._server.said_of_it():
            for prompt, usage in doubts.items():
                self.refuse_cut(usage, prompt)

    def _joins_words(self, count: int, prompt: str) -> bool:
        text, is_chat = words_of(prompt).strip(), isinstance(prompt, Conversation)
        words = len(text.split())
        if words <= MOST_WORDS:
            return count > 0
        gaps = [gap.start() for gap in re.finditer(r"\s+", text)]
        middle = len(gaps) // 2
        for gap in [*gaps[middle:], *gaps[:middle]][:MOST_WORDS]:
            halves = self._counted([text[:gap], text[gap:]], is_chat)
            alone = sum(halves) - self._of_template(is_chat)
            if alone < words and alone <= count + ROUNDING:
                return True
            if alone > count + MOST_WORDS:
                return False
        return False

    def _of_template(self, is_chat: bool) -> int:
        """Tokens that stand round a text: of a template, and what begins texts."""
        if is_chat not in self._around:
            self._around[is_chat] = max(0, self._counted(["a"], is_chat)[0] - 1)
        return self._around[is_chat]

    def _counted(self, texts: list[str], is_chat: bool) -> list[int]:
        prompts = [Conversation.of([{"role": "user", "content": text}]) if is_chat else text for text in texts]
        return self._server.read(
            [self._question(prompt) for prompt in prompts], lambda _, reply: usage_of(reply).prompt_tokens
        )
