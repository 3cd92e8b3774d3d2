"""Tiers of a suite: how much is asked on a pull request, in the night, at the week's end (`--llm-tier`, ini key `llm_tier`).

    llm_tiers =
        pr: limit=200, budget=2min
        nightly: stop=sequential
        weekly:

From the smallest to the largest: what is marked for a tier runs in it and in those after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_llm.data.sampling import Sample, parse_sample
from pytest_llm.errors import MisuseError
from pytest_llm.inference.time_budget import in_words, parse_duration
from pytest_llm.stopping.mode import MODES, EarlyStop

NIGHTLY = "nightly"
"""What `--llm-nightly` and the marker `llm_nightly` mean."""
USUAL = ("pr: limit=200", "nightly:", "weekly:")
_NAME = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True, slots=True)
class Tier:
    """How much is asked in it."""

    name: str
    sample: Sample | None = None
    """How much of each data set; None: all."""
    stop: EarlyStop = "off"
    budget: float | None = None
    """Seconds for each assertion; None: no end."""

    def __str__(self) -> str:
        settings = []
        if self.sample is not None:
            size = self.sample.size
            settings.append(f"limit={size if isinstance(size, int) else f'{100 * size:g}%'}")
        if self.stop != "off":
            settings.append(f"stop={self.stop}")
        if self.budget is not None:
            settings.append(f"budget={in_words(self.budget)}")
        return f"{self.name} ({', '.join(settings) or 'all of the data'})"


@dataclass(frozen=True, slots=True)
class Tiers:
    """All tiers of a suite, from the smallest to the largest."""

    tiers: tuple[Tier, ...]

    def named(self, name: str) -> Tier:
        """The tier of that name.

        Raises:
            MisuseError: there is none; the message names those that are there.
        """
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise MisuseError(f"tier {name!r}: expected one of {', '.join(tier.name for tier in self.tiers)}")

    def includes(self, running: Tier | None, wanted: str) -> bool:
        """Whether what is marked for a tier runs in another one; None: in a run without a tier, nothing does."""
        place = self.tiers.index(self.named(wanted))
        return running is not None and self.tiers.index(running) >= place


def parse_tiers(lines: Sequence[str]) -> Tiers:
    """From lines such as "pr: limit=200, stop=certain, budget=5min"; none: `USUAL`.

    Raises:
        MisuseError: a line that is none, a setting that is unknown or means nothing, a name that comes twice, no tier nightly.
    """
    tiers = tuple(map(_tier, lines or USUAL))
    names = [tier.name for tier in tiers]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise MisuseError(f"tier {twice[0]!r} comes twice")
    if NIGHTLY not in names:
        raise MisuseError(
            f"there is no tier {NIGHTLY!r}, which --llm-nightly and the marker llm_nightly mean: add a line {NIGHTLY + ':'!r}"
        )
    return Tiers(tiers)


def _tier(line: str) -> Tier:
    name, colon, given = line.strip().partition(":")
    if not colon or not _NAME.fullmatch(name := name.strip()):
        raise MisuseError(f"{line!r}: expected a name and its settings, such as 'pr: limit=200, budget=5min'")
    settings = _settings(line, filter(None, map(str.strip, given.split(","))))
    reading: dict[str, Callable[[str], object]] = {
        "limit": lambda given: None if given == "all" else Sample(parse_sample(given).size, origin=f"tier {name}"),
        "stop": _mode,
        "budget": parse_duration,
    }
    if unknown := sorted(settings.keys() - reading):
        raise MisuseError(f"{line!r}: unknown setting {unknown[0]!r}; expected limit, stop or budget")
    try:
        read = {key: reading[key](given) for key, given in settings.items()}
    except MisuseError as error:
        raise MisuseError(f"{line!r}: {error}") from None
    return Tier(name, read.get("limit"), read.get("stop", "off"), read.get("budget"))  # type: ignore[arg-type]  # as read


def _settings(line: str, parts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        key, equals, value = map(str.strip, part.partition("="))
        if not (key and equals and value):
            raise MisuseError(f"{line!r}: {part!r} is no setting such as limit=200")
        if key in found:
            raise MisuseError(f"{line!r}: {key} comes twice")
        found[key] = value
    return found


def _mode(given: str) -> str:
    if given not in MODES:
        raise MisuseError(f"stop={given}: expected one of {', '.join(MODES)}")
    return given
