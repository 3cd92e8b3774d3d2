"""How a model writes: settings that `tasks.generate` hands to the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_llm.errors import MisuseError

COLDEST = 1e-3
"""Below this temperature logits divided by it overflow; greedy is what is meant."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a text is continued: greedily, at random or by beams, and when it ends."""

    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    """The text ends before the first of these strings."""
    temperature: float = 0.0
    """0: greedy, the most probable token each time. Else logits are divided by it, and tokens are drawn."""
    top_k: int | None = None
    """Draw from the k most probable tokens only."""
    top_p: float | None = None
    """Draw from the most probable tokens that together have this probability only (Holtzman et al. 2020)."""
    seed: int = 0
    """Of the random numbers; those of one prompt do not depend on the other prompts."""
    beams: int = 1
    """More than 1: beam search, as `transformers` does it, one prompt at a time."""

    def __post_init__(self) -> None:
        stop = (self.stop,) if isinstance(self.stop, str) else self.stop
        if not isinstance(stop, list | tuple):
            raise MisuseError(f"stop={stop!r}: expected strings")
        object.__setattr__(self, "stop", tuple(stop))
        if not all(isinstance(string, str) and string for string in self.stop):
            raise MisuseError(f"stop={self.stop!r}: expected strings that are not empty")
        for name, least in (("max_tokens", 1), ("top_k", 1), ("beams", 1)):
            value = getattr(self, name)
            if value is None and name == "top_k":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise MisuseError(f"{name}={value!r}: expected a whole number, at least {least}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise MisuseError(f"seed={self.seed!r}: expected a whole number")
        if not _is_number(self.temperature) or (self.temperature != 0 and not COLDEST <= self.temperature < math.inf):
            raise MisuseError(
                f"temperature={self.temperature!r}: expected 0 (greedy) or a number of at least {COLDEST}"
            )
        object.__setattr__(self, "temperature", float(self.temperature))
        if self.top_p is not None and not (_is_number(self.top_p) and 0 < self.top_p <= 1):
            raise MisuseError(f"top_p={self.top_p!r}: expected a number in (0, 1]")
        if self.top_p is not None:
            object.__setattr__(self, "top_p", float(self.top_p))
        if self.temperature == 0 and (self.top_k is not None or self.top_p is not None):
            raise MisuseError("top_k and top_p draw at random: give a temperature above 0 with them")
        if self.temperature > 0 and self.beams > 1:
            raise MisuseError("beams search for the most probable text: leave temperature at 0 with them")

    @property
    def signature(self) -> str:
        """All settings that change the text."""
        how = "greedy" if self.beams == 1 else f"beams-{self.beams}"
        if self.temperature > 0:
            cuts = "".join(f"-{n}{v!r}" for n, v in (("k", self.top_k), ("p", self.top_p)) if v is not None)
            how = f"sample-t{self.temperature!r}{cuts}-seed{self.seed}"
        stop = f"|stop:{self.stop!r}" if self.stop else ""
        return f"decoding:{how}|max_tokens:{self.max_tokens}{stop}"


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)
