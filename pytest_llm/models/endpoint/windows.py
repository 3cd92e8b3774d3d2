"""Texts in the windows of a loaded model, asked of a server by the numbers of their tokens.

Only of a server that is exact about it, which is found out once. Of texts that its context holds: their tokens are those that it
reads where it is given the text, behind one token that begins texts, or none; and those tokens, sent in the text's place, have the
log-probabilities that the text has. Then, of every window: the reply is about the tokens that were sent; and of every text: its
windows' tokens, as the server writes them, give it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pytest_llm.errors import MisuseError, TooLongError
from pytest_llm.models.endpoint import prompt_log_probs
from pytest_llm.models.endpoint.capabilities import TEXTS, agree
from pytest_llm.models.endpoint.client import Question
from pytest_llm.models.endpoint.echo import covers
from pytest_llm.models.endpoint.reading import WrongReply
from pytest_llm.models.endpoint.scoring import Scorer
from pytest_llm.models.endpoint.server import Server
from pytest_llm.models.endpoint.token_ids import read_tokens, read_window, tokenize
from pytest_llm.models.language_model import Window
from pytest_llm.wording import snippet

Cut: TypeAlias = Callable[[Sequence[int], int], Sequence[Window]]
"""Makes windows of a text's tokens, which read so many at most."""
PROBES = (TEXTS[2], "Caf\u00e9 \u2013 \u4f60\u597d,  10 \u00b0C\n\n 1")
NEEDED = "windows take a server that has /tokenize and gives prompt_logprobs of a prompt of token ids, such as vLLM"
_LEAST, _LONGEST_TOKEN = 4, 256
AT_ONCE = 64
"""Windows whose replies are held at a time: of each token there is an object."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a server reads tokens."""

    begin: tuple[int, ...]
    """The token in front of a text, if there is one."""
    longest: int
    """Tokens that are read to predict the next ones. The context holds two more: the last one that is predicted, which is read too,
    and one that is written."""


class WindowScorer:
    """Scores texts in windows.

    Args:
        server: who is asked.
        scorer: of whole texts.
    """

    def __init__(self, server: Server, scorer: Scorer) -> None:
        self._server, self._scorer = server, scorer
        self._found: dict[str, Reading | str] = {}

    @property
    def _host(self) -> str:
        return self._server.address.host

    def reading(self, prefix: str) -> Reading:
        """How this server reads tokens behind a prefix, found out when it is first asked.

        Raises:
            MisuseError: it does not, or not exactly; the message says why, and what it takes.
        """
        found = self._tried(prefix)
        if isinstance(found, str):
            raise MisuseError(
                f"the server {self._host} reads no windows of tokens, for which stride, max_length and add_bos are "
                f"meant: {found}; {NEEDED}; or load the model (--llm-model PATH)"
            )
        return found

    def beyond(self, texts: Sequence[str], prefix: str, cut: Cut) -> list[list[float] | None]:
        """The log-probabilities of those texts that the context does not hold; None of all others, or if there are no windows.

        Which may be too long is seen by their bytes, since a token has at least one: only these are tokenized.
        """
        context = self._server.facts.context
        places = [] if context is None else [place for place, text in enumerate(texts) if _size(text) > context - 3]
        found: list[list[float] | None] = [None] * len(texts)
        if not places or isinstance(reading := self._tried(prefix), str):
            return found
        sequences = self._sequences([texts[place] for place in places], prefix, reading.begin)
        long = [pair for pair in zip(places, sequences, strict=True) if len(pair[1]) > reading.longest + 1]
        scores = self._scored([texts[place] for place, _ in long], [tokens for _, tokens in long], reading, cut)
        for (place, _), answer in zip(long, scores, strict=True):
            found[place] = answer
        return found

    def score(
        self, texts: Sequence[str], prefix: str, cut: Cut, *, max_length: int | None, add_bos: bool
    ) -> list[list[float]]:
        """The log-probabilities of each text's tokens, but of the first one where nothing stands in front."""
        reading = self.reading(prefix)
        if add_bos and not reading.begin:
            raise MisuseError(
                f"the server {self._host} puts nothing in front of a text, so that the first token has no probability: give "
                f"prefix=, the text of the token that begins texts (BOS), or use add_bos=False"
            )
        asked = Reading(reading.begin if add_bos else (), self.window_length(prefix, max_length))
        sequences = self._sequences(texts, prefix if add_bos else None, asked.begin)
        return self._scored(texts, sequences, asked, cut)

    def window_length(self, prefix: str, max_length: int | None) -> int:
        """Tokens that a window reads to predict the next ones.

        Raises:
            MisuseError: more are asked for than the context holds.
        """
        longest = self.reading(prefix).longest
        if max_length is not None and max_length > longest:
            raise MisuseError(
                f"max_length={max_length} exceeds the {longest:,} tokens of a window on the server {self._host}: its context holds "
                f"{longest + 2:,}, with the last token that is predicted and one that it writes"
            )
        return max_length or longest

    def signature(self, prefix: str, *, add_bos: bool) -> str:
        """What a number in windows depends on, besides their plan."""
        scoring = self._scorer.scoring(prefix)
        begins = scoring if add_bos else replace(scoring, follows="nothing", first=False)
        return replace(begins, way="token ids").signature

    def signature_beyond(self, tokens: int) -> str:
        """What the number of a text depends on besides, if its context does not hold that many tokens that are scored."""
        context = self._server.facts.context
        return "" if context is None or tokens <= context - 2 else f"|longer texts:rolling-{context - 2}"

    def explained(self, error: TooLongError, prefix: str) -> TooLongError:
        """The error for a text that the server refuses, with what it would take to read it in windows."""
        try:
            found = self._tried(prefix)
        except MisuseError:
            return error
        return TooLongError(f"{error.args[0]}; {found}; {NEEDED}", error.text) if isinstance(found, str) else error

    def _tried(self, prefix: str) -> Reading | str:
        if prefix not in self._found:
            try:
                self._found[prefix] = self._held_against_texts(prefix)
            except WrongReply as reason:
                self._found[prefix] = str(reason)
        return self._found[prefix]

    def _held_against_texts(self, prefix: str) -> Reading:
        follows = self._scorer.scoring(prefix).follows
        context = self._server.facts.context
        if context is None or context < _LEAST:
            told = "does not say" if context is None else f"says that it is {context}"
            raise WrongReply(f"of how many tokens its context holds (max_model_len) it {told}")
        before: set[tuple[int, ...]] = set()
        for text in PROBES:
            read, own = self._tokens([(prefix + text, True), (text, False)], may_refuse=True)
            begin = read[: len(read) - len(own)]
            before.add(begin)
            if not own or begin + own != read:
                raise WrongReply("it reads other tokens of a text alone than behind what it puts in front")
            if len(begin) != (follows != "nothing") or len(before) > 1:
                raise WrongReply(
                    f"it has {len(begin)} tokens in front of a text, where a loaded model has the same one or none"
                )
            (_, sent), (_, meant) = self._read([("", read, read), ("", prefix + text, read)], may_refuse=True)
            whole = self._scorer.score([text], prefix)[0] if text.isascii() else meant
            if not all(len(other) == len(sent) and all(map(agree, sent, other)) for other in (meant, whole)):
                raise WrongReply(
                    "it gives tokens other log-probabilities when their numbers are sent than when the text is"
                )
        return Reading(begin, context - 2)

    def _sequences(self, texts: Sequence[str], prefix: str | None, begin: tuple[int, ...]) -> list[tuple[int, ...]]:
        """What a loaded model would cut: the token that begins texts, and the text's own. A prefix of None: nothing in front."""
        with self._server.said_of_it():
            found = self._tokens([((prefix or "") + text, prefix is not None) for text in texts])
            for text, tokens in zip(texts, found, strict=True):
                if tokens[: len(begin)] != begin:
                    raise WrongReply(f"it puts other tokens in front of {snippet(text)} than in front of other texts")
                if len(tokens) == len(begin):
                    raise WrongReply(f"it finds no tokens in {snippet(text)}")
                if len(tokens) == 1:
                    raise MisuseError(
                        f"the text {snippet(text)} is a single token, which has nothing before it to predict it from: use "
                        f"add_bos=True, or drop it"
                    )
        return found

    def _scored(
        self, texts: Sequence[str], sequences: Sequence[tuple[int, ...]], reading: Reading, cut: Cut
    ) -> list[list[float]]:
        windows = [(place, one) for place, tokens in enumerate(sequences) for one in cut(tokens, reading.longest)]
        pieces: list[list[str]] = [[] for _ in texts]
        scores: list[list[float]] = [[] for _ in texts]
        at_once = max(AT_ONCE, self._server.client.concurrency)
        with self._server.said_of_it():
            for first in range(0, len(windows), at_once):
                some = windows[first : first + at_once]
                try:
                    read = self._read([(texts[place], one.tokens, one.tokens) for place, one in some])
                except TooLongError as error:
                    raise self._narrower(error) from None
                for (place, window), (written, given) in zip(some, read, strict=True):
                    pieces[place] += written[-window.scored :]
                    scores[place] += given[-window.scored :]
            for text, written in zip(texts, pieces, strict=True):
                if not _give_back(written, text, whole=bool(reading.begin)):
                    raise WrongReply(
                        f"the tokens that it has read do not give back {snippet(text)}: was it changed meanwhile?"
                    )
        return scores

    def _tokens(self, asked: Sequence[tuple[str, bool]], *, may_refuse: bool = False) -> list[tuple[int, ...]]:
        """Of each text its tokens, with those that the server puts round it or not."""
        questions = [tokenize(self._server.name, text, special=special) for text, special in asked]
        return self._server.read(questions, lambda _, reply: read_tokens(reply), may_refuse=may_refuse)

    def _read(
        self, asked: Sequence[tuple[str, str | Sequence[int], Sequence[int]]], *, may_refuse: bool = False
    ) -> list[tuple[list[str], list[float]]]:
        """Tokens as they are written, and their log-probabilities; asked with what they are part of, the prompt, and its tokens."""
        questions = [
            Question("/completions", prompt_log_probs.body(self._server.name, prompt), text)
            for text, prompt, _ in asked
        ]
        return self._server.read(
            questions, lambda place, reply: read_window(reply, asked[place][2]), may_refuse=may_refuse
        )

    def _narrower(self, error: TooLongError) -> TooLongError:
        return TooLongError(
            f"the server {self._host} refuses a window of {snippet(error.text)}, although it says that its context holds "
            f"{self._server.facts.context:,} tokens: give max_length=, the longest windows that it reads",
            error.text,
        )


def _give_back(pieces: Sequence[str], text: str, *, whole: bool) -> bool:
    """Whether tokens are those of a text; unless they are the whole of it, the first one is missing, which is one word at most."""
    if whole:
        return covers(pieces, text)
    firsts = (text[:end] for end in range(min(len(text), _LONGEST_TOKEN) + 1))
    return any(covers([first, *pieces], text) for first in firsts if len(first.split()) < 2)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
