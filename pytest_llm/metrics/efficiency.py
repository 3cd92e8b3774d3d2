"""Efficiency: how long single requests take, how many tokens a second that is, and how much memory they need.

Of one request, with its beginning at 0 (when it was sent, or under load when it was to be sent), the first of its n tokens at f,
the last at l and the whole answer at e:

    latency                e                    seconds
    time_to_first_token    f                    seconds
    time_per_output_token  (l − f) / (n − 1)    seconds; what vLLM calls TPOT (where pieces are no tokens, l is e, as there)
    prefill_throughput     Σ prompt tokens / Σ f             tokens a second
    decoding_throughput    Σ (n − 1) / Σ (l − f)             tokens a second
    peak_…_memory          weights + most in use at once during a request − in use before it     bytes

Each prompt is asked in several rounds, and its time is the median of them. Throughputs are functions of sums, as all quality
metrics are. Quantiles and maxima are not: they are made of the values of the requests (`summary`), quantiles with the bounds of
their order statistics (`statistics.latency`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import ratio
from pytest_llm.metrics.load import ALIKE, load_overview
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.statistics.latency import QuantileEstimate, autocorrelation, fewest_for, quantile
from pytest_llm.tasks.arrival import Arrival
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Place, Timed, Watched

Time: TypeAlias = Literal["latency", "time_to_first_token", "time_per_output_token"]
Phase: TypeAlias = Literal["prefill", "decoding"]

TIMES = ("latency", "time_to_first_token", "time_per_output_token")
_NO_TIME = (
    "a request without a time took none that the clock could see, or wrote fewer tokens than it takes: one for the first "
    "token's time, two for the time per token (drop the prompt, or find out why the model stops there)"
)


@dataclass(frozen=True, slots=True, eq=False)
class RequestTimes:
    """When what came of one prompt: arrays `[rounds]`, seconds from the beginning of the request."""

    first: FloatArray
    """The first token; NaN where there was none, or nobody looked."""
    last: FloatArray
    whole: FloatArray
    tokens: FloatArray
    """How many tokens were written; 0 where nobody looked."""
    prompt_tokens: int | None = None
    due: float = math.nan
    """When the request was to be sent: seconds from the first one; NaN where each waits for the one before it."""
    waited: FloatArray = field(default_factory=lambda: np.zeros(1))
    """Until it was sent: no connection was free."""

    @property
    def per_token(self) -> FloatArray:
        gaps = np.where(self.tokens > 1, self.tokens - 1, np.nan)
        return np.asarray((self.last - self.first) / gaps)

    def seconds(self, of: Time) -> float:
        """The median of the rounds; NaN if there is no such time, or the clock stood still or went back."""
        match of:
            case "latency":
                rounds = self.whole
            case "time_to_first_token":
                rounds = self.first
            case "time_per_output_token":
                rounds = self.per_token
        median = float(np.median(rounds))
        return median if 0 < median < math.inf and not (rounds < 0).any() else math.nan


@dataclass(frozen=True)
class Latency:
    """A quantile of a time over all requests."""

    of: Time = "latency"
    quantile: float = 0.95
    generate: Generate | None = None
    warmup: int = 2
    rounds: int | None = None
    arrival: Arrival | None = None

    counts: ClassVar[str] = "requests"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"
    remedy: ClassVar[str] = _NO_TIME

    def __post_init__(self) -> None:
        if self.of not in TIMES:
            raise MisuseError(f"metric={self.of!r}: expected one of {', '.join(map(repr, TIMES))}")
        if isinstance(self.quantile, bool) or not isinstance(self.quantile, int | float) or not 0 < self.quantile < 1:
            raise MisuseError(f"quantile={self.quantile!r}: expected a share such as 0.95, for the p95")

    @property
    def name(self) -> str:
        return f"{self.of}_p{100 * self.quantile:.6g}"

    @property
    def task(self) -> Timed:
        timed = Timed(tokens=self.of != "latency", warmup=self.warmup, rounds=self.rounds, arrival=self.arrival)
        return timed if self.generate is None else replace(timed, generate=self.generate)

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|unit:s"

    def refuse_too_few(self, count: int) -> None:
        """Raise MisuseError where so few requests have no such quantile that is not simply the longest of them."""
        fewest = fewest_for(self.quantile)
        if count < fewest:
            raise MisuseError(
                f"{self.name} takes at least {fewest} requests, and there {'is' if count == 1 else 'are'} {count}: give "
                f"{fewest - count} more prompts (rows with an id column may repeat a text), or ask for a quantile nearer the "
                f"median"
            )

    def statistics(self, example: Example, output: RequestTimes) -> Sequence[float]:
        """(seconds, requests)."""
        return output.seconds(self.of), float(len(output.whole))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The time of one request: a quantile is no function of sums, see `summary`."""
        return np.asarray(totals[..., 0])

    def summary(self, values: FloatArray) -> tuple[float, QuantileEstimate | None]:
        """The quantile of the requests' times, and its bounds; none if a time is no number."""
        self.refuse_too_few(len(values))
        found = quantile(values, self.quantile)
        if math.isnan(found):
            return found, None
        return found, QuantileEstimate(found, self.quantile, tuple(np.sort(values).tolist()))

    def explain_outputs(self, outputs: Sequence[RequestTimes]) -> str:
        """The other quantiles, and whether the machine was disturbed, as lines of text."""
        values = np.array([output.seconds(self.of) for output in outputs])
        shown = [(f"p{100 * q:g}", quantile(values, q)) for q in (0.5, 0.9, 0.95, 0.99) if len(values) >= fewest_for(q)]
        line = ", ".join(f"{name} {value:.4g} s" for name, value in [*shown, ("longest", float(np.max(values)))])
        if self.arrival is not None:
            return f"{line}\n{load_overview(self.arrival, outputs, values)}"
        seconds = np.array([output.whole for output in outputs])
        if seconds.shape[1] < 2 or not (seconds > 0).all():
            return line
        rounds = np.log(seconds)
        noise = rounds - rounds.mean(axis=1, keepdims=True)
        alike = autocorrelation(list(noise.T))
        line += f"; rounds differ by {np.expm1(np.median(np.ptp(rounds, axis=1))):.1%}"
        if alike > ALIKE:
            line += (
                f"\nneighbouring requests are alike (autocorrelation {alike:.2f}): something else runs on this machine, and "
                f"the interval is too narrow"
            )
        return line


@dataclass(frozen=True)
class Throughput:
    """Tokens a second of one request at a time, reading its prompt or writing its answer."""

    phase: Phase = "decoding"
    generate: Generate | None = None
    warmup: int = 2
    rounds: int | None = None

    counts: ClassVar[str] = "tokens"
    lower_is_better: ClassVar[bool] = False
    scale: ClassVar[Scale] = "linear"
    remedy: ClassVar[str] = _NO_TIME

    def __post_init__(self) -> None:
        if self.phase not in ("prefill", "decoding"):
            raise MisuseError(f"phase={self.phase!r}: expected 'prefill' or 'decoding'")

    @property
    def name(self) -> str:
        return f"{self.phase}_throughput"

    @property
    def task(self) -> Timed:
        timed = Timed(tokens=True, warmup=self.warmup, rounds=self.rounds)
        return timed if self.generate is None else replace(timed, generate=self.generate)

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|unit:tokens/s"

    def statistics(self, example: Example, output: RequestTimes) -> Sequence[float]:
        """(seconds, tokens). A request whose answer has one token or none says nothing of decoding: (0, 0)."""
        if self.phase == "prefill":
            if output.prompt_tokens is None:
                raise MisuseError(
                    "prefill_throughput counts the tokens of prompts, which this model cannot: give it a method "
                    "encode(texts) that returns the tokens of each text, or gate time_to_first_token"
                )
            return output.seconds("time_to_first_token"), float(output.prompt_tokens)
        gaps = float(np.median(output.tokens)) - 1
        return (0.0, 0.0) if gaps <= 0 else (output.seconds("time_per_output_token") * gaps, gaps)

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 1], totals[..., 0])


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """What one request took."""

    weights: int
    """Bytes of the model's own tensors in that place."""
    work: int
    """Bytes in use at the request's worst moment, less those in use when it began."""


@dataclass(frozen=True)
class MemoryPeak:
    """The most memory that a request takes, the model's weights included; nothing of what the process did before."""

    place: Place = "host"
    generate: Generate | None = None
    warmup: int = 1

    counts: ClassVar[str] = "requests"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"
    without_interval: ClassVar[str] = "a maximum has none"
    remedy: ClassVar[str] = (
        "no memory was seen to be taken, so what does the work is elsewhere, in another process or behind a server: "
        "watch it there"
    )

    @property
    def name(self) -> str:
        return f"peak_{self.place}_memory"

    @property
    def task(self) -> Watched:
        given = {} if self.generate is None else {"generate": self.generate}
        return Watched(**given, place=self.place, warmup=self.warmup)

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|unit:bytes"

    def statistics(self, example: Example, output: PeakMemory) -> Sequence[float]:
        """(bytes, 1); NaN if nothing was seen to be taken."""
        return float(output.weights + output.work) or math.nan, 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The peak of one request: a maximum is no function of sums, see `summary`."""
        return np.asarray(totals[..., 0])

    def summary(self, values: FloatArray) -> tuple[float, None]:
        return float(np.max(values)), None

    def explain_outputs(self, outputs: Sequence[PeakMemory]) -> str:
        most = max(output.work for output in outputs)
        return f"weights {outputs[0].weights:,} bytes, and up to {most:,} more during a request"
