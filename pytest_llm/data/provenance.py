"""Where a number comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a number comes from."""

    model: str
    dtype: str = ""
    device: str = ""
    hardware: str = ""
    """What kind of device it was, where a record says it: `models.devices.device_class`."""

    @property
    def precision(self) -> str:
        """The type of the weights, and where they are; empty where that is not known."""
        return f"{self.dtype} on {self.device}" if self.dtype else ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.model, self.precision) if part)


@dataclass(frozen=True, slots=True)
class Identity:
    """Digests of what a model is made of, the same in every process and on every machine; empty where that is not known."""

    weights: str = ""
    tokenizer: str = ""
