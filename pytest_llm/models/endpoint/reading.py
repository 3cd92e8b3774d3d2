"""JSON from a stranger: what is not exactly as it should be is an error, never a number.

JSON itself allows what no honest server sends: a key twice in an object, of which readers take either, and Python's reader allows
NaN and Infinity on top. `storage.strict_json` refuses both, before anything is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llm.storage import strict_json
from pytest_llm.usage import Usage


class WrongReply(Exception):
    """A reply that says something else than what was asked, or nothing that can be understood."""


def parsed(body: bytes) -> Any:
    """What the bytes of a reply say.

    Raises:
        ValueError: no JSON: cut off, or not UTF-8, or nested too deep.
        WrongReply: NaN, a number beyond float64, or a key twice in one object.
    """
    try:
        return strict_json.parsed(body)
    except strict_json.NotStrictError as refused:
        raise WrongReply(str(refused)) from None


def member(value: object, name: str, where: str = "the reply") -> Any:
    """A member of an object."""
    if not isinstance(value, Mapping):
        raise WrongReply(f"{where} is {shown(value)}, not an object")
    if name not in value:
        raise WrongReply(f"{where} has no {name!r}")
    return value[name]


def text(value: object, what: str) -> str:
    """A text that can be written down: no half of a pair of surrogates in it."""
    if not isinstance(value, str):
        raise WrongReply(f"{what} is {shown(value)}, not a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise WrongReply(f"{what} is no valid Unicode") from None
    return value


MOST = 2**40
"""Of anything that is counted in one reply: a larger number is no count."""


def whole(value: object, what: str) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise WrongReply(f"{what} is {shown(value)}, not a whole number")
    return value


def listed(value: object, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise WrongReply(f"{what} is {shown(value)}, not a list")
    return value


LARGEST, SMALLEST = 1e-4, -9999.0
"""So far above 0 a log-probability may be by rounding; and what vLLM writes for the logarithm of 0."""


def log_probability(value: object, what: str) -> float:
    """A natural logarithm of a probability: finite, not above 0; what rounding put there is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongReply(f"{what} is {shown(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise WrongReply(f"{what} is {number}, not finite")
    if number > LARGEST:
        raise WrongReply(f"{what} is {number:.6g}; the logarithm of a probability cannot exceed 0")
    if number <= SMALLEST:
        raise WrongReply(f"{what} is {number:.6g}, which stands for a token that the model holds to be impossible")
    return min(number, 0.0)


def only_choice(reply: object) -> Mapping[str, Any]:
    """The one answer to a question that was asked alone."""
    choices = listed(member(reply, "choices"), "choices")
    if len(choices) != 1:
        raise WrongReply(f"there are {len(choices)} choices in answer to one prompt")
    choice = choices[0]
    if whole(member(choice, "index", "the choice"), "the choice's index") != 0:
        raise WrongReply(f"the only choice has the index {choice['index']}")
    assert isinstance(choice, Mapping)
    return choice


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
    return Usage(1, prompt_tokens=prompt, completion_tokens=completion)


def counted(reply: Any) -> Usage:
    """What one reply came to, whatever else is wrong with it: it is paid for."""
    try:
        return usage_of(reply)
    except WrongReply:
        return Usage(1, uncounted=1)


def shown(value: object) -> str:
    """A value as an error shows it."""
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:59]}…"
