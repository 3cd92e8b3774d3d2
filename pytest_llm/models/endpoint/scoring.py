"""How probable texts are, asked of a server that was found to say it rightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.models.endpoint import echo, prompt_log_probs
from pytest_llm.models.endpoint.capabilities import Unsure, check_against_itself
from pytest_llm.models.endpoint.client import Question
from pytest_llm.models.endpoint.echo import Echo
from pytest_llm.models.endpoint.reading import WrongReply
from pytest_llm.models.endpoint.server import Server

WAYS: dict[str, tuple[Callable[[str, str], dict[str, Any]], Callable[[Any, str, str], Echo]]] = {
    "echo": (echo.body, echo.read),
    "prompt_logprobs": (prompt_log_probs.body, prompt_log_probs.read),
}
"""Ways to ask, and to read the reply; the one that most servers have first."""
_REMEDY = "; some servers need prefix=, the text of the token that begins texts (BOS)"


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a server says how probable a text's tokens are."""

    way: str
    prefix: str
    """What is put before texts."""
    first: bool
    """Whether the first token of a text has a probability."""
    follows: str
    """What it is given: "prefix", "server" (a token that the server puts in front), "nothing"."""
    cut: tuple[str, ...]
    """The tokens of a text that it was tried with: another tokenizer cuts it otherwise."""

    @property
    def signature(self) -> str:
        """What a number depends on."""
        behind = {"prefix": repr(self.prefix), "server": "the server's own", "nothing": "nothing"}[self.follows]
        return f"begins:{behind}|first token:{'scored' if self.first else 'not scored'}|asked:{self.way}"


class Scorer:
    """Scores texts.

    Args:
        server: who is asked.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._found: dict[str, Scoring] = {}

    def scoring(self, prefix: str) -> Scoring:
        """How this server scores texts behind a prefix, found out when it is first asked.

        Raises:
            MisuseError: it does not, or not rightly; the message says what was tried, and what came of it.
        """
        if prefix not in self._found:
            reasons = []
            for way in WAYS:
                try:
                    found = check_against_itself(partial(self._tried, way, prefix))
                except (Unsure, WrongReply) as reason:
                    reasons.append(f"{way}: {reason}")
                    continue
                first = found.scores[0] is not None
                self._found[prefix] = Scoring(way, prefix, first, found.follows, found.tokens)
                return self._found[prefix]
            raise MisuseError(
                f"the server {self._server.address.host} gives no log-probabilities of a prompt's tokens that can be "
                f"trusted{'' if prefix else _REMEDY} ({'; '.join(reasons)})"
            )
        return self._found[prefix]

    @property
    def cut(self) -> tuple[str, ...] | None:
        """How it cut a text, if it was asked."""
        return next((found.cut for found in self._found.values()), None)

    def for_pairs(self, prefix: str) -> Scoring:
        """As `scoring`, with nothing in front where that will do: as a tokenizer reads a prompt."""
        if not prefix:
            return self.scoring("")
        try:
            return self.scoring("")
        except MisuseError:
            return self.scoring(prefix)

    def score(self, texts: Sequence[str], prefix: str) -> list[list[float]]:
        """The log-probabilities of each text's tokens, but of the first one where the server has none for it."""
        scoring = self.scoring(prefix)
        found = []
        for asked, answer in zip(texts, self._asked(scoring, texts), strict=True):
            scores = [score for score in answer.scores if score is not None]
            if not scores:
                raise MisuseError(
                    f"the text {asked[:40]!r} is a single token, and the server {self._server.address.host} gives the first one no "
                    f"probability: drop it, or give prefix=, the text of the token that begins texts"
                )
            found.append(scores)
        return found

    def score_pairs(self, pairs: Sequence[tuple[str, str]], prefix: str) -> list[list[float]]:
        """The log-probabilities of each continuation's tokens: those of the whole behind as many as the context has by itself.

        Spaces at a context's end belong to the continuation, as in lm-evaluation-harness.
        """
        moved = [(context.rstrip(), context[len(context.rstrip()) :] + goes_on) for context, goes_on in pairs]
        scoring = self.scoring(prefix) if any(not context for context, _ in moved) else self.for_pairs(prefix)
        contexts = list(dict.fromkeys(context for context, _ in moved if context))
        answers = self._asked(scoring, [*contexts, *(context + goes_on for context, goes_on in moved)])
        lengths = {"": 0, **{context: len(answer.tokens) for context, answer in zip(contexts, answers, strict=False)}}
        found = []
        for (context, goes_on), whole in zip(moved, answers[len(contexts) :], strict=True):
            scores = whole.scores[lengths[context] :]
            if not scores:
                raise MisuseError(f"the continuation {goes_on!r} has no tokens of its own after {context[-40:]!r}")
            if scores[0] is None:
                raise MisuseError(
                    f"{goes_on!r} has no context, and nothing that begins texts: give prefix=, the text of the BOS token"
                )
            found.append([score for score in scores if score is not None])
        return found

    def _asked(self, scoring: Scoring, texts: Sequence[str]) -> list[Echo]:
        with self._server.said_of_it():
            answers = self._echoes(scoring.way, scoring.prefix, texts)
            for asked, answer in zip(texts, answers, strict=True):
                if (answer.scores[0] is not None, answer.follows) != (scoring.first, scoring.follows):
                    raise WrongReply(f"it treats the first token of {asked[:40]!r} otherwise than that of other texts")
        return answers

    def _tried(self, way: str, prefix: str, asked: str) -> Echo:
        return self._echoes(way, prefix, [asked], may_refuse=True)[0]

    def _echoes(self, way: str, prefix: str, texts: Sequence[str], *, may_refuse: bool = False) -> list[Echo]:
        body, read = WAYS[way]
        questions = [Question("/completions", body(self._server.name, prefix + asked), asked) for asked in texts]
        return self._server.read(
            questions, lambda place, reply: read(reply, prefix, texts[place]), may_refuse=may_refuse
        )
