"""One model on one server: who it is, what it is asked, and whether it is the one that answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.models.endpoint.address import Address
from pytest_llm.models.endpoint.client import Client, Patience, Question
from pytest_llm.models.endpoint.engines import Facts, read_build, read_facts
from pytest_llm.models.endpoint.key import Key, key_for
from pytest_llm.models.endpoint.reading import WrongReply, counted, member, text
from pytest_llm.models.endpoint.retrying import Failure
from pytest_llm.models.endpoint.too_long import refuse_overflow, too_long
from pytest_llm.models.endpoint.writing import words_of
from pytest_llm.usage import Usage, note

Read = TypeVar("Read")
REFUSALS = (400, 404, 405, 422, 500, 501)
"""What servers say to a setting that they do not have; llama-cpp-python says 500."""


class Server:
    """Asks, and holds answers to what was asked.

    Args:
        address: where it is.
        model: the name that was given; None: the only model that it has.
        key_from: the environment variable with its key; see `key.key_for`.
        concurrency: how many questions are under way at once.
        patience: how long each may take.
    """

    def __init__(
        self, address: Address, model: str | None, key_from: str | None, concurrency: int, patience: Patience
    ) -> None:
        self.address, self._asked_model, self._key_from = address, model, key_from
        self._lock = Lock()
        self._usage = self._untold = Usage()
        self._facts: Facts | None = None
        self._build: str | None = None
        self.client = Client(
            address.base,
            self._key,
            concurrency,
            patience,
            proxied=not address.is_loopback,
            retrying=partial(self.count, Usage(retries=1)),
        )

    @property
    def facts(self) -> Facts:
        """What it says of the model, asked once.

        Raises:
            MisuseError: no name was given, and it has several models, or none, or does not say.
        """
        if self._facts is None:
            self._facts = self._ask_facts()
        return self._facts

    @property
    def name(self) -> str:
        """As the server calls the model."""
        return self._asked_model or self.facts.name

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        return self._usage

    @property
    def was_heard(self) -> bool:
        """Whether it has answered a question."""
        return self._build is not None

    @property
    def build(self) -> str:
        """What the last reply said of program and weights; empty where none did."""
        return self._build or ""

    @property
    def _context(self) -> int | None:
        return None if self._facts is None else self._facts.context

    def _ask_facts(self) -> Facts:
        (reply,) = self.client.ask([Question("/models")])
        if isinstance(reply, Failure):
            if self._asked_model is not None and reply.status in (404, 405, 501):
                return Facts(self._asked_model)  # not every server has the list
            raise MisuseError(
                f"the server {self.address.host} did not say which models it has (/models): {reply.reason}"
            )
        with self.said_of_it():
            found = read_facts(reply, self._asked_model)
        if isinstance(found, Facts):
            return found
        some = ", ".join(repr(name[:80]) for name in found[:5]) or "which there is none"
        raise MisuseError(
            f"the server {self.address.host} has {len(found)} models: end the address with #name, one of {some}"
        )

    def read(
        self, questions: Sequence[Question], read: Callable[[int, Any], Read], *, may_refuse: bool = False
    ) -> list[Read]:
        """What is read from the reply to each question.

        Args:
            questions: any number.
            read: what is made of the reply to the question of this number.
            may_refuse: a server that says no to such questions has given an answer: a wrong one; beside the API
                any failure is one.

        Raises:
            MisuseError: a question was not answered.
            WrongReply: an answer is not as it should be.
        """
        replies = self.client.ask(questions, lambda place, reply: self.count(_taken(questions[place], reply)))
        for question, reply in zip(questions, replies, strict=True):
            if isinstance(reply, Failure) and reply.was_asked:
                if may_refuse and (question.is_beside or reply.status in REFUSALS):
                    raise WrongReply(reply.reason)
                raise self.silence(question, reply)
        found = []
        for place, reply in enumerate(replies):
            if not questions[place].is_beside:
                self.check(reply)
            found.append(read(place, reply))
        return found

    def silence(self, question: Question, failure: Failure) -> MisuseError:
        """The error for a question that was not answered."""
        if (told := failure.too_long) is not None and question.text:
            known = told if told.limit is not None else replace(told, limit=self._context)
            to_write, shown = question.body["max_tokens"], words_of(question.text)
            return too_long(question.text, shown, self.address.host, known, to_write, failure.reason)
        unsent = "" if self._key() or failure.status not in (401, 403) else f" ({self._why_no_key()})"
        return MisuseError(f"the server {self.address.host} did not answer {question.path}: {failure.reason}{unsent}")

    def check(self, reply: Any, *, is_part: bool = False) -> None:
        """Raise WrongReply for the answer of another model, or one that the context of this one does not hold.

        Names come back with a date (OpenAI) or a revision behind them.

        Args:
            reply: the answer.
            is_part: an event of a stream, most of which do not say what program and weights they are of.
        """
        told = text(member(reply, "model"), "the model's name")
        if told != self.name and not told.startswith((f"{self.name}-20", f"{self.name}@")):
            raise WrongReply(f"it answers for the model {told[:80]!r}, asked was {self.name!r}")
        refuse_overflow(counted(reply), self._context)
        build = read_build(reply)
        if is_part and not build:
            return
        if self._build is not None and build != self._build:
            warnings.warn(
                f"the server {self.address.host} changed while it was asked (system_fingerprint {self._build!r}, now {build!r}): "
                f"numbers may be of two models",
                MetricWarning,
                stacklevel=2,
            )
        self._build = build

    def count(self, usage: Usage) -> None:
        """Add to what was asked, and tell the session, once the model has a name to tell it by. From any thread."""
        name = self._asked_model or (self._facts and self._facts.name)
        with self._lock:
            self._usage += usage
            told = self._untold + usage
            self._untold = Usage() if name else told
        if name:
            note(f"{name} at {self.address.host}", told)

    @contextmanager
    def said_of_it(self) -> Iterator[None]:
        """Within the block, what is wrong with an answer is said of this server."""
        try:
            yield
        except WrongReply as wrong:
            raise MisuseError(f"the answer of the server {self.address.host} cannot be used: {wrong}") from None

    def _key(self) -> Key:
        return key_for(self.address, self._key_from)

    def _why_no_key(self) -> str:
        if self.address.is_encrypted or self.address.is_loopback:
            return "no key was sent: OPENAI_API_KEY is not set; key_from= names another variable"
        return "no key was sent: http:// is not encrypted"


def _taken(question: Question, reply: Any) -> Usage:
    """What a reply came to. Beside the API no model reads tokens, so that none are counted."""
    return Usage(1) if question.is_beside else counted(reply)
