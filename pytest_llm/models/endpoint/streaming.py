"""A text that comes piece by piece: server-sent events, read as they arrive.

An event is lines that begin with "data:", up to an empty line. A stream has come to its end once a piece names a reason for it;
"[DONE]" follows with most servers, not with all. One that just stops is broken off.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from pytest_llm.models.endpoint.client import Question
from pytest_llm.models.endpoint.reading import WrongReply, listed, member, only_choice, parsed, shown, text, usage_of
from pytest_llm.models.endpoint.retrying import Failure
from pytest_llm.models.endpoint.server import Server
from pytest_llm.models.endpoint.whole_prompts import WholePrompts
from pytest_llm.models.endpoint.writing import refuse_ending
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.usage import Usage

DONE = "[DONE]"


def read_stream(
    server: Server, question: Question, decoding: Decoding, prompts: WholePrompts
) -> Generator[str, None, float]:
    """The pieces that are not empty.

    Returns:
        How many tokens were written, by the server's count; NaN if it does not count them, since a piece need not be a token.

    Raises:
        MisuseError: the server does not answer, or not rightly.
    """
    streamed = replace(question, body={**question.body, "stream": True, "stream_options": {"include_usage": True}})
    with server.said_of_it(), closing(_events(server, streamed)) as events:
        pieces, ending, usage = 0, None, None
        for event, usage in events:  # noqa: B007  # the last one is that of the whole text
            if not listed(member(event, "choices"), "choices"):
                continue  # the last event of most servers: usage alone
            piece, reason = _piece(only_choice(event))
            if ending is not None and (piece or reason is not None):
                raise WrongReply("the stream goes on behind its end")
            ending = reason if ending is None else ending
            if piece:
                pieces += 1
                yield piece
        if ending is None:
            raise WrongReply("the stream broke off before the text was complete")
        if usage is not None:
            prompts.refuse_cut(usage, question.text)
        if usage is not None and not pieces <= usage.completion_tokens <= decoding.max_tokens:
            raise WrongReply(
                f"{pieces} pieces came, and it counts {usage.completion_tokens} tokens, of {decoding.max_tokens} at most"
            )
        refuse_ending(ending, None if usage is None else usage.completion_tokens, decoding)
        return math.nan if usage is None else float(usage.completion_tokens)


def _events(server: Server, question: Question) -> Generator[tuple[Any, Usage | None], None, None]:
    """What each event says, and what the server has counted so far; once it is over, whole or not, it is taken into account."""
    heard, usage = False, None
    try:
        for data in server.client.stream(question):
            if isinstance(data, Failure):
                raise server.silence(question, data)
            if data == DONE:
                return
            event, heard = _event(data), True
            usage = _usage(event) or usage
            server.check(event, is_part=True)
            yield event, usage
    finally:
        if heard:
            server.count(Usage(1, uncounted=1) if usage is None else usage)


def _event(data: str) -> Mapping[str, Any]:
    try:
        event = parsed(data.encode())
    except ValueError:
        raise WrongReply("an event of the stream is no JSON, or cut off") from None
    if not isinstance(event, Mapping):
        raise WrongReply(f"an event of the stream is {shown(event)}, not an object")
    if event.get("error"):
        error = event["error"]
        words = error.get("message", "") if isinstance(error, Mapping) else error
        raise WrongReply(f"an error came in the stream: {' '.join(str(words).split())[:200]!r}")
    return event


def _usage(event: Mapping[str, Any]) -> Usage | None:
    return usage_of(event) if event.get("usage") is not None else None


def _piece(choice: Mapping[str, Any]) -> tuple[str, Any]:
    """The text of a piece, and why it is the last one."""
    if "delta" in choice:
        delta = choice["delta"]
        if not isinstance(delta, Mapping):
            raise WrongReply("a delta of the stream is no object")
        content = delta.get("content")
        return "" if content is None else text(content, "a piece"), choice.get("finish_reason")
    return text(member(choice, "text", "the choice"), "a piece"), choice.get("finish_reason")
