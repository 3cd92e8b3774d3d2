"""How models are asked in this session, about how much and for how long, unless a test says: options and ini keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.data.sampling import Sample

ASKING: pytest.StashKey[Asking] = pytest.StashKey()


@dataclass(frozen=True)
class Asking:
    """What the session was told."""

    sample: Sample | None = None
    """How much of each data set is used; None: all."""
    stop: str = "off"
    budget: float | None = None
    """Seconds for each assertion; None: no end."""
    deterministic: bool = False
    processes: int = 1


def asking_of(config: pytest.Config) -> Asking:
    """From options and ini keys; an option wins.

    Raises:
        pytest.UsageError: one that means nothing; the message names it.
    """
    option = config.getoption
    return Asking(
        _sample(option("llm_limit")),
        option("llm_stop"),
        _budget(config),
        option("llm_deterministic"),
        option("llm_processes"),
    )


@contextmanager
def asked_so(asking: Asking) -> Iterator[None]:
    """Bind it for the length of a `with` block; nothing is imported for what is as usual."""
    with ExitStack() as bound:
        if asking.deterministic or asking.processes != 1:
            from pytest_llm.inference.engine import Engine, using

            bound.enter_context(using(Engine(deterministic=asking.deterministic, processes=asking.processes)))
        if asking.stop != "off":
            from pytest_llm.stopping.mode import stopping

            bound.enter_context(stopping(asking.stop))  # type: ignore[arg-type]  # one of the option's choices
        if asking.sample is not None:
            from pytest_llm.data.sampling import sampling

            bound.enter_context(sampling(asking.sample))
        if asking.budget is not None:
            from pytest_llm.inference.time_budget import for_each_assertion

            bound.enter_context(for_each_assertion(asking.budget))
        yield


def _sample(limit: str | None) -> Sample | None:
    if not limit:
        return None
    from pytest_llm.data.sampling import parse_sample

    try:
        return parse_sample(limit)
    except MisuseError as error:
        raise pytest.UsageError(f"--llm-limit: {error}") from None


def _budget(config: pytest.Config) -> float | None:
    named = {"--llm-budget": config.getoption("llm_budget"), "ini key llm_budget": config.getini("llm_budget")}
    origin, given = next(((origin, given) for origin, given in named.items() if given), ("", "off"))
    from pytest_llm.inference.time_budget import parse_duration

    try:
        return parse_duration(given)
    except MisuseError as error:
        raise pytest.UsageError(f"{origin}: {error}") from None
