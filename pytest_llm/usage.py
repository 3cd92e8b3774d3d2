"""What served models were asked, and how many tokens that took, by the server's own count.

Answers are noted as they come, in whatever thread; who reports of a test takes what was noted since a report was last made.
Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of a server. Sums are those of each number."""

    requests: int = 0
    """Answered ones."""
    retries: int = 0
    """Those that failed, and were sent again."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    """Answered ones whose tokens the server did not count."""
    spared: int = 0
    """Answers that were known, from this session or from disk, so that nothing was asked."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(own + others for own, others in zip(astuple(self), astuple(other), strict=True)))


_lock = Lock()
_noted: dict[str, Usage] = {}


def note(model: str, usage: Usage) -> None:
    """Add to what this process has asked of a model.

    Args:
        model: its name, and where it is served.
        usage: what came to it.
    """
    with _lock:
        _noted[model] = _noted.get(model, Usage()) + usage


def taken() -> dict[str, Usage]:
    """What was noted since this was last called, by model."""
    if not _noted:
        return {}
    with _lock:
        found = dict(_noted)
        _noted.clear()
    return found


def summed(parts: Sequence[Mapping[str, Usage]]) -> dict[str, Usage]:
    """The sum for each model, in the order in which they first appear."""
    total: dict[str, Usage] = {}
    for part in parts:
        for model, usage in part.items():
            total[model] = total.get(model, Usage()) + usage
    return total
