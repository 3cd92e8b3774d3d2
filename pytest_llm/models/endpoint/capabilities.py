"""What a server can say, found out once a session and held against itself.

Servers answer questions that they do not understand: they leave out `echo`, or give the log-probability of the next token in the
place of this one (llama-cpp-python without a BOS token). So a server's word for a prompt's tokens is only taken if it agrees with
its word for a token that it wrote: the same token at the same place, asked for both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_llm.models.endpoint.echo import Echo

TEXTS = (
    "1, 2, 3, 4, 5, 6, 7, 8, 9,",
    "Monday, Tuesday, Wednesday, Thursday,",
    "the cat and the dog and the cat and the dog and the cat and",
    "a b c d e f g h i j k l m n",
)
"""Texts that go on in one way: what is written is likely to be a token of the longer text too."""
TOLERANCE = 0.2
"""Nats by which the two may differ: a prompt is read at once, a written token by itself, in half precision perhaps."""

Ask = Callable[[str], Echo]


class Unsure(Exception):
    """The server's numbers contradict each other, or could not be compared."""


def check_against_itself(ask: Ask) -> Echo:
    """The reply to one of the texts, once the server's two answers about a token agree.

    Args:
        ask: the tokens of a text, and what follows.

    Raises:
        Unsure: they do not, or no text gave a token to compare.
    """
    for text in TEXTS:
        before = ask(text)
        token, expected = before.written, before.written_score
        if not token.strip() or not token.isascii() or expected is None:
            continue
        after = ask(text + token)
        if after.tokens != (*before.tokens, token):
            continue  # the longer text is cut otherwise
        given = after.scores[-1]
        assert given is not None, "a text of several tokens has a last one that follows others"
        if not agree(given, expected):
            raise Unsure(
                f"it wrote {token!r} with the log-probability {expected:.4g}, and gives the same token in a prompt {given:.4g}"
            )
        if not all(agree(*pair) for pair in _both(before, after)):
            raise Unsure("it gives the tokens of a text other log-probabilities when one more follows")
        return after
    raise Unsure("of no text that it was tried with, the token that it wrote could be found in the prompt")


def agree(one: float, other: float) -> bool:
    """Whether two log-probabilities are of one token in one place."""
    return math.isclose(one, other, abs_tol=TOLERANCE, rel_tol=0.05)


def _both(before: Echo, after: Echo) -> list[tuple[float, float]]:
    pairs = zip(before.scores, after.scores[:-1], strict=True)
    return [(a, b) for a, b in pairs if a is not None and b is not None]
