"""Tokens by their numbers, as vLLM has them: of a text (`/tokenize`), and in the place of one, as a prompt.

A prompt of numbers is read as it is: nothing is put in front. The reply repeats the numbers, so whether it is about the tokens that
were sent is seen exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from pytest_llm.models.endpoint.client import Question
from pytest_llm.models.endpoint.prompt_log_probs import read_entries, score_of, written_as
from pytest_llm.models.endpoint.reading import WrongReply, listed, member, whole


def tokenize(model: str, text: str, *, special: bool) -> Question:
    """The question which tokens a text has.

    Args:
        model: as the server calls it.
        text: a text.
        special: with the tokens that the server puts round a prompt, such as BOS.
    """
    return Question("/tokenize", {"model": model, "prompt": text, "add_special_tokens": special}, is_beside=True)


def read_tokens(reply: Any) -> tuple[int, ...]:
    """The numbers of a text's tokens.

    Raises:
        WrongReply: none, or not as many as it counts.
    """
    found = tuple(whole(one, "one of its tokens") for one in listed(member(reply, "tokens"), "tokens"))
    if (count := whole(member(reply, "count"), "count")) != len(found):
        raise WrongReply(f"it counts {count} tokens, and lists {len(found)}")
    return found


def read_window(reply: Any, sent: Sequence[int]) -> tuple[list[str], list[float]]:
    """Of each token that was sent, but the first, how it is written and its log-probability given those before it.

    Raises:
        WrongReply: the reply is about other tokens, or leaves a doubt about which.
    """
    ids, entries = read_entries(reply)
    if ids is None:
        raise WrongReply("it does not say which tokens it has read (prompt_token_ids), although it was asked")
    for place, (own, given) in enumerate(zip_longest(ids, sent)):
        if own != given:
            raise WrongReply(
                f"it has read {len(ids)} tokens that are not the {len(sent)} of the prompt: the first other one is in place {place}"
            )
    return [written_as(entry) for entry in entries], [score_of(entry) for entry in entries]
