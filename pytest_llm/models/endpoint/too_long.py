"""What a server's context does not hold: how servers say so, and how we do.

Some refuse and name both numbers, some one of them, some go on with a part of the prompt. The last is found out by what they count:
more than the context that they have told of, or too little for the prompt (`whole_prompts`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pytest_llm.errors import TooLongError
from pytest_llm.models.endpoint.reading import MOST, WrongReply
from pytest_llm.usage import Usage
from pytest_llm.wording import snippet

STATUSES = (400, 413, 422)
_CODES = ("context_length_exceeded", "exceed_context_size_error")
_LIMIT = re.compile(r"context (?:length|size|window)\D{0,20}(\d{1,12}) tokens")
_TOKENS = re.compile(
    r"(?:(?:contains|request|input|prompt) \(?(at least )?(\d{1,12}) (?:input )?tokens|(\d{1,12}) in your prompt)"
)


@dataclass(frozen=True, slots=True)
class TooLong:
    """What a refusal says. None: it does not."""

    tokens: int | None = None
    """Of the prompt."""
    limit: int | None = None
    """Of prompt and answer together."""
    at_least: bool = False
    """Whether there may be more tokens: vLLM counts no further than it has to."""


def read_refusal(status: int, told: Any, words: str) -> TooLong | None:
    """What is too long, if that is why a server refuses.

    Args:
        status: of HTTP.
        told: its error, parsed; anything.
        words: the message in it, without any key.
    """
    if status not in STATUSES:
        return None
    inner = told.get("error", told) if isinstance(told, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    limit, tokens = _LIMIT.search(words), _TOKENS.search(words)
    if limit is None and not any(inner.get(name) in _CODES for name in ("code", "type")):
        return None
    at_least, *counts = tokens.groups() if tokens else (None,)
    counted = next(filter(None, counts), None)
    return TooLong(
        _whole(inner.get("n_prompt_tokens"), counted), _whole(inner.get("n_ctx"), limit and limit[1]), bool(at_least)
    )


def _whole(given: Any, said: str | None) -> int | None:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MOST:
        return given
    return None if said is None else int(said)


def too_long(text: str, shown: str, host: str, told: TooLong, to_write: int, words: str) -> TooLongError:
    """The error that says what is too long for whom, and what to do.

    Args:
        text: what was asked about.
        shown: how a reader knows it.
        host: of the server.
        told: what it says.
        to_write: tokens that it was asked to write; one where a text is scored.
        words: of the server.
    """
    numbers = []
    if told.tokens is not None:
        numbers.append(f"{'at least ' * told.at_least}{told.tokens:,} tokens and {to_write:,} to write")
    if told.limit is not None:
        excess = "" if told.tokens is None else f" ({told.tokens + to_write - told.limit:,} too many)"
        numbers.append(f"its context holds {told.limit:,}{excess}")
    fewer = "lower max_tokens, " if to_write > 1 else ""
    return TooLongError(
        f"{snippet(shown)} is too long for the server {host}{': ' if numbers else ''}{', '.join(numbers)}; nothing is cut off, "
        f"since the answer would be about another text: give it in pieces, such as paragraphs, {fewer}serve the model with a "
        f"longer context, or load it (--llm-model PATH), where long texts are read in windows ({words})",
        text,
    )


def refuse_overflow(usage: Usage, limit: int | None) -> None:
    """Raise WrongReply for an answer that took more tokens than the server's context holds, as far as that is known."""
    if limit is not None and usage.prompt_tokens + usage.completion_tokens > limit:
        raise WrongReply(
            f"it counts {usage.prompt_tokens:,} tokens in the prompt and {usage.completion_tokens:,} that it wrote, and its "
            f"context holds {limit:,}: something was left out"
        )
