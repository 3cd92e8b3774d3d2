"""How many tokens a server read and wrote, by its own count, and how often it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llm.models.endpoint.reading import WrongReply, member, whole


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of a server. Sums are those of each number."""

    requests: int = 0
    """Answered ones."""
    retries: int = 0
    """Those that failed, and were sent again."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.retries + other.retries,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


def usage_of(reply: Any) -> Usage:
    """What a reply says that it took.

    Raises:
        WrongReply: nothing, or no counts; without them nobody could tell whether tokens are missing.
    """
    told = member(reply, "usage")
    if not isinstance(told, Mapping):
        raise WrongReply("the reply does not count its tokens (usage)")
    prompt = whole(member(told, "prompt_tokens", "usage"), "prompt_tokens")
    completion = whole(told.get("completion_tokens") or 0, "completion_tokens")
    return Usage(1, 0, prompt, completion)
