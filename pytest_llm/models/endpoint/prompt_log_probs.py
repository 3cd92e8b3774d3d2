"""Log-probabilities of a prompt's tokens, read from the reply to `prompt_logprobs`, as vLLM has it.

For each token of the prompt an object that maps token numbers to their log-probabilities: that of the prompt's own token, and of as
many likely ones as were asked for, which here is none. The first one is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llm.models.endpoint.echo import Echo, beginning
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


def body(model: str, prompt: str | Sequence[int]) -> dict[str, Any]:
    """The request. One token is written, whose log-probability the server is held against.

    Args:
        model: as the server calls it.
        prompt: a text, or the numbers of its tokens.
    """
    return {
        "model": model,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        "prompt_logprobs": 0,
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0,
        "seed": 0,
        "return_token_ids": True,
    }


def read(reply: Any, prefix: str, asked: str) -> Echo:
    """The tokens of the text that was asked about; arguments and errors as `echo.read`."""
    _, entries = read_entries(reply)
    pieces = [written_as(entry) for entry in entries]
    begin, follows = beginning(["", *pieces], prefix, asked, first_is_unknown=True)
    scores = [None, *map(score_of, entries)]
    own = pieces[begin - 1 :] if begin else [asked[: len(asked) - sum(map(len, pieces))], *pieces]
    written, score = _written(only_choice(reply), usage_of(reply).completion_tokens)
    return Echo(tuple(own), tuple(scores[begin:]), follows, written, score)


def read_entries(reply: Any) -> tuple[list[int] | None, list[Mapping[str, Any]]]:
    """The numbers of the prompt's tokens, if it says them, and what it says of each token but the first."""
    choice = only_choice(reply)
    rows = choice.get("prompt_logprobs")
    if rows is None:
        raise WrongReply("it gives no prompt_logprobs, although they were asked for")
    usage = usage_of(reply)
    if len(listed(rows, "prompt_logprobs")) != usage.prompt_tokens:
        raise WrongReply(
            f"it counts {usage.prompt_tokens} tokens in the prompt, but has prompt_logprobs of {len(rows)}"
        )
    ids = choice.get("prompt_token_ids")
    if ids is not None:
        ids = [whole(one, "one of its prompt_token_ids") for one in listed(ids, "prompt_token_ids")]
    if not rows or rows[0] is not None:
        raise WrongReply("the first of its prompt_logprobs is not null, although nothing stands before it")
    if ids is not None and len(ids) != len(rows):
        raise WrongReply(f"there are {len(ids)} prompt_token_ids, but prompt_logprobs of {len(rows)}")
    return ids, [_own(row, None if ids is None else ids[place], place) for place, row in enumerate(rows) if place]


def written_as(entry: Mapping[str, Any]) -> str:
    return text(member(entry, "decoded_token", "an entry"), "a token")


def score_of(entry: Mapping[str, Any]) -> float:
    return log_probability(entry.get("logprob"), "a log-probability")


def _own(row: Any, number: int | None, place: int) -> Mapping[str, Any]:
    """Of the tokens at a place, the prompt's own."""
    if not isinstance(row, Mapping):
        raise WrongReply(f"prompt_logprobs of token {place} are no object")
    if number is None and len(row) != 1:
        raise WrongReply(
            f"prompt_logprobs of token {place} have {len(row)} entries, and none is said to be the prompt's"
        )
    entry = (
        next(iter(row.values())) if number is None else member(row, str(number), f"prompt_logprobs of token {place}")
    )
    if not isinstance(entry, Mapping):
        raise WrongReply(f"prompt_logprobs of token {place} hold no object")
    return entry


def _written(choice: Mapping[str, Any], count: int) -> tuple[str, float | None]:
    told = choice.get("logprobs")
    if count != 1 or not isinstance(told, Mapping):
        return text(member(choice, "text", "the choice"), "the text"), None
    tokens = listed(member(told, "tokens", "logprobs"), "tokens")
    scores = listed(member(told, "token_logprobs", "logprobs"), "token_logprobs")
    if len(tokens) != 1 or len(scores) != 1:
        raise WrongReply("it wrote one token, and lists another number of them")
    return text(tokens[0], "a token"), log_probability(scores[0], "the log-probability of the token that it wrote")
