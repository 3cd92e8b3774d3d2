"""The model under test that is served: what an assertion can ask of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.endpoint import echo
from pytest_llm.models.endpoint.address import read_address
from pytest_llm.models.endpoint.capabilities import Scoring, Unsure, check_against_itself
from pytest_llm.models.endpoint.client import Client, Patience, Question
from pytest_llm.models.endpoint.key import Key, key_for
from pytest_llm.models.endpoint.reading import WrongReply, listed, member, text
from pytest_llm.models.endpoint.retrying import Failure
from pytest_llm.models.endpoint.usage import Usage, usage_of
from pytest_llm.models.endpoint.writing import Conversation, Mode, read_text, request
from pytest_llm.tasks.decoding import Decoding

Read = TypeVar("Read")
_REMEDY = "; some servers need prefix=, the text of the token that begins texts (BOS)"


class Endpoint:
    """A model that a server has, asked by the API of OpenAI. Nothing is asked before a test does.

    Args:
        url: `http://host:port/v1`, with `#name` for the model's name; see `address`.
        model: its name on the server, if the address does not end with it; None: the only one that the server has.
        key_from: the environment variable with the server's key; None: OPENAI_API_KEY, if it is set and would not go
            unencrypted to another machine.
        mode: "completions": prompts are texts that go on. "chat": each is what a user says. Prompts with `chat=True` go to the
            chat API in either mode, with the server's own template.
        prefix: text of the token that begins texts (BOS), such as "<|im_start|>", where the server does not put it in front
            itself. Without either the first token of a text has no probability.
        concurrency: how many questions are under way at once.
        timeout: seconds for a question, tries included.
        retries: how often a question is asked again after a failure that may pass (HTTP 429 and 5xx, a lost connection, an
            answer that is cut off).

    Raises:
        MisuseError: an address that is none, or has a key in it; a setting out of range.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        key_from: str | None = None,
        mode: Mode = "completions",
        prefix: str | None = None,
        concurrency: int = 8,
        timeout: float = 600.0,
        retries: int = 5,
    ) -> None:
        self.address = read_address(url)
        if model is not None and self.address.model not in (None, model):
            raise MisuseError(f"model={model!r}, but the address ends with #{self.address.model}: leave either out")
        told = self.address.settings
        self._asked_model = model or self.address.model
        self.key_from = key_from or told.get("key_from")
        self.mode: Mode = told.get("mode", mode)  # type: ignore[assignment]  # checked below
        self.prefix = prefix if prefix is not None else told.get("prefix", "")
        if self.mode not in ("completions", "chat"):
            raise MisuseError(f"mode={self.mode!r}: expected 'completions' or 'chat'")
        for name, value, least in (("concurrency", concurrency, 1), ("retries", retries, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise MisuseError(f"{name}={value!r}: expected a whole number, at least {least}")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
            raise MisuseError(f"timeout={timeout!r}: expected a number of seconds above 0")
        self._settings = (concurrency, Patience(seconds=timeout, silence=min(timeout, 300.0), retries=retries))
        self.usage = Usage()
        self._start()

    def _start(self) -> None:
        concurrency, patience = self._settings
        self._client = Client(self.address.base, self._key, concurrency, patience, proxied=not self.address.is_loopback)
        self._name: str | None = None
        self._scoring: Scoring | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without its connections, which another process has to make for itself."""
        return {name: value for name, value in vars(self).items() if name != "_client"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __repr__(self) -> str:
        return f"Endpoint({f'{self.address.base}#{self._asked_model or str()}'.rstrip('#')!r})"

    @property
    def name(self) -> str:
        """As the server calls the model.

        Raises:
            MisuseError: no name was given, and the server has several models, or none.
        """
        if self._name is None:
            self._name = self._asked_model or self._only_model()
        return self._name

    @property
    def provenance(self) -> Provenance:
        return Provenance(f"{self.name} at {self.address.host}")

    def identity(self) -> Identity:
        """Nobody can tell from outside what weights a server has."""
        return Identity()

    def fingerprint(self) -> Hashable:
        """What tells this model from others, in this session."""
        return ("endpoint", self.address.base, self.name, self.mode, self.prefix)

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> Conversation:
        """The turns of a chat, which the server puts into its own template."""
        return Conversation.of(messages)

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        """The text that follows each prompt.

        Raises:
            MisuseError: a setting that the API has no name for; a server that does not answer, or not rightly.
        """
        questions = [Question(*request(self.name, prompt, decoding, self.mode, {})) for prompt in prompts]
        with self._misuse():
            return self._read(questions, lambda _, reply: read_text(reply, decoding))

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        """For each text the log-probability (natural) of each of its tokens, given those before it.

        Raises:
            MisuseError: the server cannot say it, or says what cannot be right.
        """
        self._scores()
        with self._misuse():
            answers = self._echoes(texts)
            return [self._scored(asked, answer) for asked, answer in zip(texts, answers, strict=True)]

    def _scored(self, asked: str, answer: echo.Echo) -> list[float]:
        scoring = self._scores()
        first, *rest = answer.scores
        if (first is not None, answer.follows) != (scoring.first, scoring.follows):
            raise WrongReply(f"it treats the first token of {asked[:40]!r} otherwise than that of other texts")
        found = [score for score in (rest if first is None else answer.scores) if score is not None]
        if not found:
            raise MisuseError(
                f"the text {asked[:40]!r} is a single token, and {self.address.host} gives the first one no probability: "
                f"drop it, or give prefix=, the text of the token that begins texts"
            )
        return found

    def _scores(self) -> Scoring:
        """How this server scores texts, found out when it is first asked."""
        if self._scoring is None:
            try:
                found = check_against_itself(lambda asked: self._echoes([asked])[0])
            except (Unsure, WrongReply) as doubt:
                raise MisuseError(
                    f"the log-probabilities that the server {self.address.host} gives a prompt's tokens (/completions with echo "
                    f"and logprobs) cannot be trusted: {doubt}{'' if self.prefix else _REMEDY}"
                ) from None
            self._scoring = Scoring("echo", found.scores[0] is not None, found.follows)
        return self._scoring

    def _echoes(self, texts: Sequence[str]) -> list[echo.Echo]:
        questions = [Question("/completions", echo.body(self.name, self.prefix + asked)) for asked in texts]
        return self._read(questions, lambda place, reply: echo.read_echo(reply, self.prefix, texts[place]))

    def _read(self, questions: Sequence[Question], read: Callable[[int, Any], Read]) -> list[Read]:
        """What is read from the reply to each question.

        Raises:
            MisuseError: a question was not answered.
            WrongReply: an answer is not as it should be.
        """
        replies = self._client.ask(questions)
        for question, reply in zip(questions, replies, strict=True):
            if isinstance(reply, Failure) and reply.was_asked:
                raise MisuseError(f"the server {self.address.host} did not answer {question.path}: {reply.reason}")
        found = []
        for place, reply in enumerate(replies):
            self._check_model(reply)
            found.append(read(place, reply))
            self.usage += usage_of(reply)
        return found

    @contextmanager
    def _misuse(self) -> Iterator[None]:
        """What is wrong with an answer, said of this server."""
        try:
            yield
        except WrongReply as wrong:
            raise MisuseError(f"the answer of the server {self.address.host} cannot be used: {wrong}") from None

    def _check_model(self, reply: Any) -> None:
        """Raise WrongReply for the answer of another model; OpenAI adds a date to a name without one."""
        told = text(member(reply, "model"), "the model's name")
        if told != self.name and not told.startswith(f"{self.name}-20"):
            raise WrongReply(f"it answers for the model {told[:80]!r}, asked was {self.name!r}")

    def _only_model(self) -> str:
        (reply,) = self._client.ask([Question("/models")])
        if isinstance(reply, Failure):
            raise MisuseError(
                f"the server {self.address.host} did not say which models it has (/models): {reply.reason}"
            )
        with self._misuse():
            names = [text(member(one, "id", "a model"), "its name") for one in listed(member(reply, "data"), "data")]
        if len(names) != 1:
            some = ", ".join(repr(name[:80]) for name in names[:5]) or "which there is none"
            raise MisuseError(
                f"the server {self.address.host} has {len(names)} models: end the address with #name, one of {some}"
            )
        return names[0]

    def _key(self) -> Key:
        return key_for(self.address, self.key_from)
