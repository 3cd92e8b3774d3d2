"""Log-probabilities of a prompt's tokens, read from the reply to `echo` with `logprobs`: OpenAI's older API, as llama-cpp-python,
vLLM and others have it.

A server repeats the prompt as tokens, each with the logarithm of its probability given those before it, and one token that it
wrote, which is dropped. The first token has none. Two things differ between servers, and are read off each reply: whether a token
stands in front that begins texts (BOS), and whether it is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_llm.models.endpoint.reading import (
    WrongReply,
    listed,
    log_probability,
    member,
    only_choice,
    text,
    usage_of,
    whole,
)


@dataclass(frozen=True, slots=True)
class Echo:
    """The tokens of a text."""

    tokens: tuple[str, ...]
    scores: tuple[float | None, ...]
    """Natural logarithms; None at most for the first one."""
    follows: str
    """What the first token was given: "prefix", "server" (a token that the server puts in front), or "nothing"."""
    written: str
    """What the server wrote after the text."""
    written_score: float | None
    """Its log-probability, if it is one token."""


def body(model: str, prompt: str) -> dict[str, Any]:
    """The request. One token is written: some servers refuse to write none, others take none for as many as they can."""
    return {
        "model": model,
        "prompt": prompt,
        "echo": True,
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0,
        "seed": 0,
    }


def read(reply: Any, prefix: str, asked: str) -> Echo:
    """The tokens of the text that was asked about.

    Args:
        reply: of the server, to a prompt of `prefix + asked`.
        prefix: what was put in front.
        asked: the text.

    Raises:
        WrongReply: anything that leaves a doubt about which number belongs to which token.
    """
    choice = only_choice(reply)
    if not text(member(choice, "text", "the choice"), "the text").startswith(prefix + asked):
        raise WrongReply("it does not repeat the prompt, although echo was asked for")
    told = member(choice, "logprobs", "the choice")
    if told is None:
        raise WrongReply("it gives no log-probabilities, although they were asked for")
    pieces = [text(piece, "a token") for piece in listed(member(told, "tokens", "logprobs"), "tokens")]
    given = listed(member(told, "token_logprobs", "logprobs"), "token_logprobs")
    if len(given) != len(pieces):
        raise WrongReply(f"there are {len(pieces)} tokens, but {len(given)} log-probabilities")
    _refuse_offsets(told, len(pieces))
    usage = usage_of(reply)
    if usage.completion_tokens > 1:
        raise WrongReply(f"it wrote {usage.completion_tokens} tokens, although one was asked for")
    count = len(pieces) - usage.completion_tokens
    hidden = usage.prompt_tokens - count
    if hidden not in (0, 1) or count < 1:
        raise WrongReply(
            f"it counts {usage.prompt_tokens} tokens in the prompt and {usage.completion_tokens} that it wrote, but lists "
            f"{len(pieces)}"
        )
    begin, follows = beginning(pieces[:count], prefix, asked, hidden=hidden == 1)
    scores = [_score(value, place) for place, value in enumerate(given[:count])]
    if follows == "nothing":
        scores[0] = None  # whatever stands there: no probability is given nothing
    last = given[-1] if usage.completion_tokens else None
    return Echo(
        tuple(pieces[begin:count]),
        tuple(scores[begin:]),
        follows,
        "".join(pieces[count:]),
        None if last is None else log_probability(last, "the log-probability of the token that it wrote"),
    )


def _score(value: object, place: int) -> float | None:
    if value is None and place == 0:
        return None
    return log_probability(value, f"the log-probability of token {place}")


def beginning(
    pieces: Sequence[str], prefix: str, asked: str, *, hidden: bool = False, first_is_unknown: bool = False
) -> tuple[int, str]:
    """At which token the text begins, and what stands before it.

    Args:
        pieces: the tokens of the prompt.
        prefix: what was put in front.
        asked: the text.
        hidden: one token is counted, but not listed: it can only be the one that begins texts.
        first_is_unknown: nobody says how the first token is written.

    Raises:
        WrongReply: these are not the tokens of the text.
    """
    if hidden:
        if covers(pieces, asked):
            return 0, "prefix" if prefix else "server"
        raise WrongReply("its tokens do not give back the text")
    if prefix:
        for begin in range(1, len(pieces)):
            front = "".join(pieces[:begin])
            if (front in (prefix, "") or (first_is_unknown and prefix.endswith(front))) and covers(
                pieces[begin:], asked
            ):
                return begin, "prefix"
        raise WrongReply(f"its tokens do not give back the prefix {prefix!r} and the text, with a cut between them")
    if first_is_unknown:
        if covers(pieces[1:], asked):
            return 1, "server"
        rest = "".join(pieces[1:])
        first = asked[: len(asked) - len(rest)]
        # no token has several words: where it seems so, the beginning of the text was cut off
        is_a_token = asked.endswith(rest) and first and len(first.split()) < 2
        if is_a_token and any(covers([known, *pieces[1:]], asked) for known in (first, "")):  # or a part of a character
            return 0, "nothing"
        raise WrongReply("its tokens do not give back the text")
    if covers(pieces, asked):
        return 0, "nothing"
    if len(pieces) > 1 and covers(pieces[1:], asked):
        return 1, "server"
    raise WrongReply("its tokens do not give back the text")


def covers(pieces: Sequence[str], whole_text: str) -> bool:
    """Whether these are the tokens of a text, in order and none left out.

    A character of several bytes may be spread over tokens. Servers show those as "", "\\ufffd" or "bytes:\\x…", and the character
    with the last of them (vLLM) or nowhere. So as many tokens may be empty as there are bytes that they can hold: of what is not
    ASCII and missing, and of a token with such a character, behind them. Nothing else may be missing but the space before a word,
    which tokenizers of the SentencePiece family leave out when a token is written alone.
    """
    place, empty, loose, held, missing = 0, 0, 0, 0, 0
    for piece in pieces:
        plain = "" if piece.startswith("bytes:") else piece.replace("\ufffd", "")
        loose += plain != piece or not piece
        held += 0 if plain.isascii() else min(empty, len(plain.encode()) - 1)
        empty = 0 if plain else empty + 1
        found = whole_text.find(plain, place)
        skipped = whole_text[place:found]
        if found < 0 or (skipped != " " and any(character.isascii() for character in skipped)):
            return False
        missing += 0 if skipped == " " else len(skipped.encode())
        place = found + len(plain)
    rest = whole_text[place:]
    if any(character.isascii() for character in rest):
        return False
    missing += len(rest.encode())
    return loose <= missing + held and (loose > 0 or missing == 0)


def _refuse_offsets(told: Any, count: int) -> None:
    """Raise WrongReply for places of tokens that go backwards. Not every server gives them, nor counts alike from where."""
    offsets = told.get("text_offset")
    if offsets is None:
        return
    if len(listed(offsets, "text_offset")) != count:
        raise WrongReply(f"there are {count} tokens, but {len(offsets)} text_offsets")
    if all(offset == -1 for offset in offsets):
        return  # SGLang does not know them
    places = [whole(offset, "a text_offset") for offset in offsets]
    if any(after < before for before, after in pairwise(places)):
        raise WrongReply("its text_offsets go backwards")
