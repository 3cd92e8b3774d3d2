"""Run-to-run noise: by how much one model's value differs when it is asked again, and which change it therefore cannot prove.

A baseline and a later run each have this noise, so that their difference has it √2 times. With the standard deviation s of n runs,

    reach = t₍₁₋α, ₙ₋₁₎ · √2 · s

is exceeded by the drop of an unchanged model with probability α: Student's t, because s is an estimate itself. (With s known and
both sides at 95 % it is the repeatability limit 2.8 s of ISO 5725-6.) It needs noise that is about normal.

What a machine or a day has in common (kernels, batches, load) is in all repeats of one session alike, and so not in their noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.statistics import student
from pytest_llm.statistics.jackknife import Scale

FEWEST_RUNS = 2


@dataclass(frozen=True, slots=True)
class Noise:
    """The values of one model's runs on the same data."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) < FEWEST_RUNS or not all(math.isfinite(value) for value in self.values):
            raise MisuseError(f"runs {self.values}: expected at least {FEWEST_RUNS} finite values of one model")
        if not math.isfinite(self.deviation()):
            raise MisuseError(f"runs {self.values}: they are further apart than numbers reach")

    def deviation(self, scale: Scale = "linear") -> float:
        """Their standard deviation; on the scale "log" that of their logarithms."""
        values = np.log(self.values) if scale == "log" else np.array(self.values)
        if len(set(self.values)) == 1:
            return 0.0
        _, exponent = math.frexp(
            float(np.abs(values).max())
        )  # near one their squares stay in range, and no bit is lost
        return float(np.ldexp(values, -exponent).std(ddof=1)) * 2.0 ** (exponent - 1) * 2

    def reach(self, alpha: float, scale: Scale) -> float:
        """The drop, on that scale, that an unchanged model exceeds with probability alpha from one run to another."""
        return student.quantile(1 - alpha, len(self.values) - 1) * math.sqrt(2) * self.deviation(scale)
