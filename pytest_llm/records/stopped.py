"""How a measurement came to be of a part of the data, as data. The claim is not kept, so that nothing can be judged by it."""

from __future__ import annotations

from typing import Any

from pytest_llm.stopping.watch import Decision, Stopped
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import number

_DECISIONS: dict[str, Decision] = {"passes": "passes", "fails": "fails", "undefined": "undefined"}
_NUMBERS = ("share", "low", "high", "error")


def stopped_as_data(stopped: Stopped) -> dict[str, Any]:
    return {
        "decided": stopped.decided,
        "evaluated": stopped.evaluated,
        "units": stopped.units,
        **{name: number(getattr(stopped, name)) for name in _NUMBERS},
        "baseline": None if stopped.baseline is None else number(stopped.baseline),
    }


def stopped_from(content: Checked) -> Stopped:
    """As it was, without its claim.

    Raises:
        MisuseError: something is missing, or of another kind.
    """
    return Stopped(
        decided=content.one_of("decided", _DECISIONS),
        claim=None,
        evaluated=content.whole("evaluated"),
        units=content.whole("units"),
        baseline=content.number("baseline") if content.has("baseline") else None,
        **{name: content.number(name) for name in _NUMBERS},
    )
