"""The model under test that is served: what an assertion can ask of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError, TooLongError
from pytest_llm.models.endpoint.address import read_address
from pytest_llm.models.endpoint.client import SILENCE, Patience, Question
from pytest_llm.models.endpoint.reading import usage_of
from pytest_llm.models.endpoint.scoring import Scorer
from pytest_llm.models.endpoint.server import Server
from pytest_llm.models.endpoint.streaming import read_stream
from pytest_llm.models.endpoint.whole_prompts import WholePrompts
from pytest_llm.models.endpoint.windows import Cut, WindowScorer
from pytest_llm.models.endpoint.writing import Conversation, Mode, read_text, request
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.score import PairScore, Score
from pytest_llm.usage import Usage


class Endpoint:
    """A model that a server has, asked by the API of OpenAI. Nothing is asked before a test does.

    What a server answers is remembered for the session, as any model's answers are. On disk it is kept only with `cache_as`: the
    same name may stand for other weights tomorrow, and nobody can tell from outside.

    A text that its context does not hold is scored in the windows of a loaded model, by a server that is exact: see `windows`.

    Args:
        url: `http://host:port/v1`, with `#name` for the model's name; see `address`.
        model: its name on the server, if the address does not end with it; None: the only one that the server has.
        key_from: the environment variable with the server's key; None: OPENAI_API_KEY, if it is set and would not go
            unencrypted to another machine.
        mode: "completions": prompts are texts that go on. "chat": each is what a user says. Prompts with `chat=True` go to the
            chat API in either mode, with the server's own template.
        prefix: text of the token that begins texts (BOS), such as "<|im_start|>", where the server does not put it in front
            itself. Without either the first token of a text has no probability.
        cache_as: your word for the weights behind the name, such as a revision: while it stays, and what the server says of itself,
            answers of earlier sessions are taken from disk. In an address `#name@revision`.
        concurrency: how many questions are under way at once.
        timeout: seconds for a question, tries included.
        retries: how often a question is asked again after a failure that may pass (HTTP 429 and 5xx, a lost connection, an
            answer that is cut off).

    Raises:
        MisuseError: an address that is none, or has a key in it; a setting out of range.
    """

    is_elsewhere = True
    """It computes in no process of ours: more of them would not make it faster."""

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        key_from: str | None = None,
        mode: Mode = "completions",
        prefix: str | None = None,
        cache_as: str | None = None,
        concurrency: int = 8,
        timeout: float = 600.0,
        retries: int = 5,
    ) -> None:
        self.address = read_address(url)
        _refuse_both("model", model, self.address.model)
        _refuse_both("cache_as", cache_as, self.address.revision)
        told = self.address.settings
        self.mode: Mode = told.get("mode", mode)  # type: ignore[assignment]  # checked in the next line
        if self.mode not in ("completions", "chat"):
            raise MisuseError(f"mode={self.mode!r}: expected 'completions' or 'chat'")
        self.prefix = prefix if prefix is not None else told.get("prefix", "")
        self.cache_as = cache_as or self.address.revision
        for name, value, least in (("concurrency", concurrency, 1), ("retries", retries, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise MisuseError(f"{name}={value!r}: expected a whole number, at least {least}")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
            raise MisuseError(f"timeout={timeout!r}: expected a number of seconds above 0")
        self.concurrency = concurrency
        patience = Patience(seconds=timeout, silence=min(timeout, SILENCE), retries=retries)
        self._made_of = (model or self.address.model, key_from or told.get("key_from"), concurrency, patience)
        self._start()

    def _start(self) -> None:
        self._server = Server(self.address, *self._made_of)
        self._scorer = Scorer(self._server)
        self._windows = WindowScorer(self._server, self._scorer)
        self._prompts = WholePrompts(self._server, partial(self._question, decoding=Decoding(max_tokens=1)))

    def __getstate__(self) -> dict[str, Any]:
        """Without its connections, which another process has to make for itself."""
        return {name: value for name, value in vars(self).items() if name not in _MADE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __repr__(self) -> str:
        named = f"#{self._made_of[0]}" if self._made_of[0] else ""
        return f"Endpoint({self.address.base + named!r})"

    @property
    def name(self) -> str:
        """As the server calls the model.

        Raises:
            MisuseError: no name was given, and the server has several models, or none.
        """
        return self._server.name

    @property
    def provenance(self) -> Provenance:
        revision = f"@{self.cache_as}" if self.cache_as else ""
        return Provenance(f"{self.name}{revision} at {self.address.host}")

    @property
    def usage(self) -> Usage:
        """How often the server was asked, how many tokens it counted, and how many answers were known already."""
        return self._server.usage

    def note_spared(self, answers: int) -> None:
        """Count answers that were known, so that the server was not asked."""
        self._server.count(Usage(spared=answers))

    @property
    def effort_at_once(self) -> int:
        """Characters that are asked about before their answers are put on disk: some rounds of what is under way at once."""
        return 2048 * self.concurrency

    def identity(self) -> Identity:
        """Nobody can tell from outside what weights a server has: what `cache_as` says of them, and how a text was cut."""
        cut = self._scorer.cut
        return Identity(
            _digest(self.name, self.cache_as) if self.cache_as else "", "" if cut is None else f"cut-{_digest(*cut)}"
        )

    def fingerprint(self) -> Hashable:
        """What tells this model from others, in this session."""
        return ("endpoint", self.address.base, self.name, self._server.facts.details, self.mode, self.prefix)

    def cache_key(self) -> str | None:
        """What tells it from others in any session; None without `cache_as`."""
        if self.cache_as is None:
            return None
        if not self._server.was_heard:
            self.generate(
                [_HELLO], Decoding(max_tokens=1)
            )  # every server says in a reply what it is, if it says it at all
        facts = self._server.facts
        parts = [self.address.base, self.name, self.cache_as, facts.details, self._server.build, self.mode, self.prefix]
        return hashlib.sha256(json.dumps(["endpoint", *parts]).encode()).hexdigest()

    def signature_of(self, task: object, counts: str, longest: int = 0) -> str | None:
        """What of this server a number depends on.

        Args:
            task: what it is asked to do.
            counts: what the metric divides by, such as "bytes".
            longest: how many tokens were scored of the longest text, so far.

        Raises:
            MisuseError: a number per word or byte, whose first token would be missing.
        """
        if isinstance(task, Score):
            if task != Score():
                return self._windows.signature(self.prefix, add_bos=task.add_bos)
            scoring = self._scorer.scoring(self.prefix)
            if counts != "tokens" and not scoring.first:
                raise MisuseError(
                    f"the first token of each text has no probability on the server {self.address.host}, so dividing by all its "
                    f"{counts} would flatter the model: give prefix=, the text of the token that begins texts, or measure per token"
                )
            return scoring.signature + self._windows.signature_beyond(longest)
        if isinstance(task, Choose | PairScore):
            return self._scorer.for_pairs(self.prefix).signature
        return f"api:{self.mode}"

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> Conversation:
        """The turns of a chat, which the server puts into its own template."""
        return Conversation.of(messages)

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        """The text that follows each prompt.

        Raises:
            MisuseError: a setting that the API has no name for; a server that does not answer, or not rightly.
        """
        questions = [self._question(prompt, decoding) for prompt in prompts]
        with self._server.said_of_it():
            return self._server.read(questions, lambda place, reply: self._written(reply, decoding, prompts[place]))

    def stream(self, prompt: str, decoding: Decoding) -> Generator[str, None, float]:
        """The pieces of the text that follows, each as soon as it is there; one a token where the server sends each by itself.

        It is asked once: what is timed is not asked again.

        Returns:
            How many tokens were written, by the server's own count; NaN where it does not count those of a stream.

        Raises:
            MisuseError: as `generate`, and a stream that breaks off.
        """
        question = self._question(prompt, decoding)
        return read_stream(self._server, question, decoding, self._prompts)

    def being_timed(self) -> AbstractContextManager[None]:
        """Within the block answers are timed: what there is to ask about prompts that may have been cut is asked at its end."""
        return self._prompts.later()

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        """For each text the log-probability (natural) of each of its tokens, given those before it.

        Raises:
            MisuseError: the server cannot say it, or says what cannot be right.
        """
        _refuse_conversations(texts)
        try:
            return self._scorer.score(texts, self.prefix)
        except TooLongError as error:
            raise self._windows.explained(error, self.prefix) from None

    def score_beyond(self, texts: Sequence[str], *, cut: Cut) -> list[list[float] | None]:
        """As `score`, in windows, of those texts that the context does not hold; None of all others, and if it reads no windows.

        Args:
            texts: any number.
            cut: makes windows of a text's tokens.
        """
        _refuse_conversations(texts)
        return self._windows.beyond(texts, self.prefix, cut)

    def score_in_windows(
        self, texts: Sequence[str], *, cut: Cut, max_length: int | None, add_bos: bool
    ) -> list[list[float]]:
        """As `score`, all of them in windows; `window_length(max_length)` says how long these are.

        Raises:
            MisuseError: a server that does not read tokens exactly.
        """
        _refuse_conversations(texts)
        return self._windows.score(texts, self.prefix, cut, max_length=max_length, add_bos=add_bos)

    def window_length(self, max_length: int | None) -> int:
        """Tokens that a window reads at most to predict the next ones; two fewer than the server's context holds.

        Raises:
            MisuseError: more are asked for, or the server does not read tokens exactly.
        """
        return self._windows.window_length(self.prefix, max_length)

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """The log-probabilities of the tokens of each continuation, given its context.

        Raises:
            MisuseError: as `score`; a context that is a chat, which the API gives no log-probabilities for.
        """
        _refuse_conversations([context for context, _ in pairs])
        return self._scorer.score_pairs(pairs, self.prefix)

    def _written(self, reply: Any, decoding: Decoding, prompt: str) -> str:
        written = read_text(reply, decoding)
        self._prompts.refuse_cut(usage_of(reply), prompt)
        return written

    def _question(self, prompt: str, decoding: Decoding) -> Question:
        return Question(*request(self.name, prompt, decoding, self.mode, self._server.facts.neutral), text=prompt)


_HELLO = "Hello"
_MADE = ("_server", "_scorer", "_windows", "_prompts")
"""What `_start` makes."""


def _refuse_both(name: str, given: str | None, in_address: str | None) -> None:
    if given is not None and in_address not in (None, given):
        raise MisuseError(f"{name}={given!r}, but the address says {in_address!r}: leave either out")


def _refuse_conversations(texts: Sequence[str]) -> None:
    if any(isinstance(text, Conversation) for text in texts):
        raise MisuseError(
            "a server's chat API gives no log-probabilities of what it is told: use chat=False, or a prompt with the template's "
            "own tokens in it"
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
