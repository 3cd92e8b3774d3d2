"""Ask one prompt at a time and keep the clock, or watch the memory: what one user of the model would see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pytest_llm.errors import MisuseError
from pytest_llm.tasks.arrival import Arrival
from pytest_llm.tasks.counts import check_counts
from pytest_llm.tasks.generate import Generate

Place: TypeAlias = Literal["host", "device"]


def _writing() -> Generate:
    return Generate(filter="none", max_tokens=32)


@dataclass(frozen=True)
class Timed:
    """Time single requests.

    Args:
        generate: what is asked of the model, and how long the answer may get. Its filter plays no part.
        tokens: note when each token came, not only when the whole answer was there.
        warmup: requests before the first one that counts: caches fill, kernels are chosen, clocks speed up.
        rounds: how often each prompt is asked, in rounds over all prompts, forwards and backwards in turn. The median
            of the rounds is the prompt's time: what disturbed the machine in one of them does not count. None: 3 rounds, or
            1 where requests arrive at set times.
        arrival: when requests are sent, in the order of the prompts; None: each when the one before it is answered. A time
            is then counted from when its request was to be sent.
    """

    generate: Generate = field(default_factory=_writing)
    tokens: bool = False
    warmup: int = 2
    rounds: int | None = None
    arrival: Arrival | None = None

    def __post_init__(self) -> None:
        _check(self.generate)
        if not (self.arrival is None or isinstance(self.arrival, Arrival)):
            raise MisuseError(
                f"arrival={self.arrival!r}: expected Arrival(rate=…), or None for one request after the other"
            )
        check_counts(warmup=(self.warmup, 0), rounds=(self.how_often, 1))
        if self.arrival is not None and self.how_often > 1:
            raise MisuseError(
                f"rounds={self.rounds}: requests that arrive at set times are sent once each, since a median of rounds would hide "
                f"who had to wait; give more prompts instead"
            )
        if self.tokens and self.generate.beams > 1:
            raise MisuseError(
                f"beams={self.generate.beams}: no token of a beam search is certain before the last, so it has no first "
                f"token to be timed; time whole requests, or leave beams at 1"
            )

    @property
    def how_often(self) -> int:
        """Each prompt is asked."""
        if self.rounds is not None:
            return self.rounds
        return 3 if self.arrival is None else 1

    @property
    def signature(self) -> str:
        when = f"rounds:{self.how_often}" if self.arrival is None else self.arrival.signature
        return f"{when}|warmup:{self.warmup}|{self.generate.signature}"


@dataclass(frozen=True)
class Watched:
    """Watch how much memory single requests take.

    Args:
        generate: what is asked of the model, as in `Timed`.
        place: "host" or "device"; None: where the model is.
        warmup: requests before the first one that counts; they touch the weights, which are counted by themselves.
    """

    generate: Generate = field(default_factory=_writing)
    place: Place | None = None
    warmup: int = 1

    def __post_init__(self) -> None:
        _check(self.generate)
        check_counts(warmup=(self.warmup, 0))
        if self.place not in ("host", "device", None):
            raise MisuseError(f"place={self.place!r}: expected 'host', 'device' or None")

    @property
    def signature(self) -> str:
        return f"warmup:{self.warmup}|{self.generate.signature}"


def _check(generate: object) -> None:
    if not isinstance(generate, Generate):
        raise MisuseError(f"task={generate!r:.60}: expected Generate(…)")
