"""Which failures are worth another try, and when: exponential backoff with full jitter (Brooker 2015, AWS Architecture Blog).

The n-th wait is drawn evenly from 0 to min(60, 0.5 · 2ⁿ) seconds, so that clients that failed together do not come back
together. A server that names a time (Retry-After) is obeyed, if it is no longer than that most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.models.endpoint.too_long import TooLong

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds."""
_BUSY = frozenset({408, 425, 429})


class Failure(Exception):
    """A question that was not answered.

    Args:
        reason: for people.
        again: whether another try may help.
        wait: seconds that the server asked for; None: it did not.
        status: of HTTP, where there was one.
        too_long: what the server says of a text that its context does not hold.
        was_asked: False of a question that was not sent, since another had failed.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = False,
        wait: float | None = None,
        status: int | None = None,
        too_long: TooLong | None = None,
        was_asked: bool = True,
    ) -> None:
        super().__init__(reason)
        self.reason, self.again, self.wait, self.status, self.was_asked = reason, again, wait, status, was_asked
        self.too_long = too_long


def is_worth_it(status: int) -> bool:
    """Whether a server that answers with this status may do better later; 501 says that it never will."""
    return status in _BUSY or (status >= 500 and status != 501)


def wait_of(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a server asks for; None where it does not, or says nothing that could be understood."""
    given = headers.get("retry-after", "").strip()
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            then = parsedate_to_datetime(given)
        except (ValueError, OverflowError):
            return None
        then = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
        seconds = (then - (now or datetime.now(timezone.utc))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def backoff(failed: int, random: Random) -> float:
    """Seconds to wait after so many failures, at least 1."""
    return random.uniform(0.0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failed, 30)))
