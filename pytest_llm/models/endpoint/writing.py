"""A text that goes on: what is asked of a server, and what its reply says.

Each setting of `Decoding` is sent, or refused by its name. Settings of sampling that a server would add by itself (penalties for
repetition, cuts of the distribution) are sent with the value that does nothing, by the names that this kind of server has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pytest_llm.errors import MisuseError
from pytest_llm.models.endpoint.reading import WrongReply, member, only_choice, shown, text, usage_of
from pytest_llm.tasks.decoding import Decoding

Mode: TypeAlias = Literal["completions", "chat"]
_MOST_STOPS = 4


class Conversation(str):
    """The turns of a chat, as the text that they are remembered under."""

    __slots__ = ()

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, str]]) -> Conversation:
        return cls(json.dumps([dict(message) for message in messages], ensure_ascii=False))

    @property
    def messages(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self)
        return found


def words_of(prompt: str) -> str:
    """What of a prompt the model reads at least: of a conversation what was said, whatever a template puts round it."""
    if not isinstance(prompt, Conversation):
        return prompt
    return " ".join(str(message.get("content", "")) for message in prompt.messages)


def request(model: str, prompt: str, decoding: Decoding, mode: Mode, neutral: Mapping[str, Any]) -> tuple[str, Any]:
    """The path and the body of a question. A conversation goes to the chat API, whatever the mode.

    Args:
        model: as the server calls it.
        prompt: a text, or a `Conversation`.
        decoding: how it goes on.
        mode: "chat": a text is what the user says.
        neutral: sampling settings that do nothing, by the names of this server.

    Raises:
        MisuseError: a setting that the API has no name for.
    """
    if decoding.beams > 1:
        raise MisuseError(f"beams={decoding.beams}: servers have no beam search; leave it at 1")
    if decoding.top_k is not None and "top_k" not in neutral:
        raise MisuseError(
            f"top_k={decoding.top_k}: the API of OpenAI has no such setting, and this server is not known to have it; use top_p"
        )
    if len(decoding.stop) > _MOST_STOPS:
        raise MisuseError(f"stop has {len(decoding.stop)} strings: servers take {_MOST_STOPS} at most")
    settings: dict[str, Any] = {
        **neutral,
        "model": model,
        "max_tokens": decoding.max_tokens,
        "temperature": decoding.temperature,
        "top_p": 1.0 if decoding.top_p is None else decoding.top_p,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": decoding.seed,
    }
    if decoding.top_k is not None:
        settings["top_k"] = decoding.top_k
    if decoding.stop:
        settings["stop"] = list(decoding.stop)
    if isinstance(prompt, Conversation):
        return "/chat/completions", {**settings, "messages": prompt.messages}
    if mode == "chat":
        return "/chat/completions", {**settings, "messages": [{"role": "user", "content": prompt}]}
    return "/completions", {**settings, "prompt": prompt}


def read_text(reply: Any, decoding: Decoding) -> str:
    """What the server wrote after a prompt.

    Raises:
        WrongReply: no text, one that ended before it was done, or more tokens than were asked for.
    """
    choice = only_choice(reply)
    if "message" in choice:
        written = text(member(choice["message"], "content", "the message"), "the message")
    else:
        written = text(member(choice, "text", "the choice"), "the text")
    count = usage_of(reply).completion_tokens
    if count > decoding.max_tokens:
        raise WrongReply(f"it wrote {count} tokens, although {decoding.max_tokens} were the most")
    refuse_ending(member(choice, "finish_reason", "the choice"), count, decoding)
    return cut(written, decoding.stop)


def refuse_ending(reason: object, count: int | None, decoding: Decoding) -> None:
    """Raise WrongReply for a text that ended for any other reason than that it was complete."""
    if reason == "stop":
        return
    if reason != "length":
        raise WrongReply(f"the text ended for the reason {shown(reason)}, not because it was complete")
    if count is not None and count < decoding.max_tokens:
        raise WrongReply(
            f"the text ended after {count} of {decoding.max_tokens} tokens, where the context was full: shorten the prompt, or "
            f"lower max_tokens"
        )


def cut(written: str, stop: Sequence[str]) -> str:
    """The text before the first of these strings; servers cut it themselves, most of them."""
    places = [place for string in stop if (place := written.find(string)) >= 0]
    return written[: min(places)] if places else written
