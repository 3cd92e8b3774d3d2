"""The markers, as a table: a marker's signature says which arguments it takes, its docstring is its help.

Calling the function with a mark's arguments validates them and returns what the mark asks for.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.models.devices import GpuRequirement
    from pytest_llm.thresholds import Thresholds
    from pytest_llm.tolerance import Estimand, Inconclusive
    from pytest_llm.tolerances import NoRegression


def llm_threshold(suite: str | None = None, /, **limits: float) -> Thresholds:
    """Check what the test measured against limits such as perplexity_below=25, after its body has run.

    A metric that is named here and not measured by the test is a failure. On a function, a class or a module (pytestmark);
    the nearest limit holds. A suite name takes the limits of that table in the file of the ini key llm_thresholds.
    """
    if suite is not None and not isinstance(suite, str):
        raise MisuseError(f"the suite is {suite!r}; limits are keywords, as in llm_threshold(perplexity_below=25)")
    if suite is None and not limits:
        raise MisuseError("no limit given; write for example llm_threshold(perplexity_below=25)")
    from pytest_llm.thresholds import Thresholds, parse_limits

    return Thresholds(suite, parse_limits(limits, "the llm_threshold marker"))


def llm_no_regression(
    metric: str,
    /,
    *,
    tolerance: str | float | None = None,
    alpha: float = 0.01,
    estimand: Estimand = "population",
    baseline: str = "main",
    max_example_drop: str | float | None = None,
    detect: str | float | None = None,
    on_inconclusive: Inconclusive = "warn",
) -> NoRegression:
    """Compare what the test measured of a metric with its stored baseline, after its body has run.

    As assert_no_regression does: example by example, failing if the metric is worse by more than the tolerance and by more than
    chance. Baselines are recorded with --llm-update-baselines.
    """
    from pytest_llm.tolerances import no_regression

    return no_regression(
        metric,
        tolerance=tolerance,
        alpha=alpha,
        estimand=estimand,
        baseline=baseline,
        max_example_drop=max_example_drop,
        detect=detect,
        on_inconclusive=on_inconclusive,
    )


def llm_gpu(
    count: int = 1, memory: str | float = 0, capability: tuple[int, int] = (0, 0), exclusive: bool = False
) -> GpuRequirement:
    """Run the test only on a machine with the CUDA devices it needs; skip it elsewhere, saying what is missing.

    count: how many GPUs; memory: of each, such as "40GB"; capability: compute capability, such as (9, 0). exclusive: no other
    test that uses a model runs on them meanwhile, in any worker of xdist.
    """
    from pytest_llm.models.devices import GpuRequirement, parse_memory

    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise MisuseError(f"count={count!r}: expected a whole number of GPUs, at least 1")
    if not (
        isinstance(capability, tuple) and len(capability) == 2 and all(isinstance(part, int) for part in capability)
    ):
        raise MisuseError(f"capability={capability!r}: expected a pair such as (9, 0)")
    if not isinstance(exclusive, bool):
        raise MisuseError(f"exclusive={exclusive!r}: expected True or False")
    if exclusive and os.name != "posix":
        raise MisuseError("exclusive=True takes locks that this system does not have: leave it out, and use -n 1 there")
    return GpuRequirement(count, parse_memory(memory), capability, exclusive)


def llm_nightly() -> None:
    """Run the test only when pytest is called with --llm-nightly, or in a tier from nightly on."""


def llm_tier(name: str, /) -> str:
    """Run the test only in this tier, such as "weekly", and in those after it (--llm-tier, ini key llm_tier)."""
    if not isinstance(name, str):
        raise MisuseError(f"the tier is {name!r}: expected a name such as 'weekly'")
    return name


def llm_batch() -> None:
    """Answer what a test of Hypothesis (@given) asks models in batches: it is run as a plan first, which notes the questions.

    Only what assertions and measure(…) ask is noted; what the test calls itself, such as llm.generate(…), is done each time. The
    body runs about three times as often, and must not change the model. A test that steers by target() gains little.
    """


MARKERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (llm_threshold, llm_no_regression, llm_gpu, llm_nightly, llm_tier, llm_batch)
}


def usage(name: str) -> str:
    """How a marker is written, such as `llm_gpu(count=1, memory=0, …)`."""
    parameters = inspect.signature(MARKERS[name]).parameters.values()
    return f"{name}{inspect.Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters])}"


def help_lines() -> list[str]:
    """One line for each marker, as `pytest --markers` shows it."""
    return [f"{usage(name)}: {' '.join((function.__doc__ or '').split())}" for name, function in MARKERS.items()]


def asked_by(item: pytest.Item, name: str) -> list[Any]:
    """What all marks of that name on a test ask for, farthest (module) first.

    Raises:
        pytest.UsageError: the arguments of a mark do not fit; the message names the test and what is expected.
    """
    found = []
    for mark in reversed(list(item.iter_markers(name))):
        try:
            found.append(MARKERS[name](*mark.args, **mark.kwargs))
        except MisuseError as error:
            raise pytest.UsageError(f"{item.nodeid}: marker {name}: {error}") from None
        except TypeError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}; expected {usage(name)}") from None
    return found


def is_given(item: pytest.Item) -> bool:
    """Whether a test is one of Hypothesis and uses this plugin: a fixture of the name llm or llm_…, or a marker llm_…."""
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False) and uses_us(item)


def uses_us(item: pytest.Item) -> bool:
    """Whether a test has a fixture of the name llm or llm_…, or a marker llm_…."""
    names = [*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())]
    return any(name == "llm" or name.startswith("llm_") for name in names)
