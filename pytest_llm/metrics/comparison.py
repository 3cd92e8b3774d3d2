"""What the metrics share that compare an output with references: a checked pair, and a ratio that cannot pass by accident."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.statistics.jackknife import FloatArray


def output_text(example: Example, output: Any) -> str:
    """What the model answered.

    Raises:
        MisuseError: it is not a string.
    """
    if not isinstance(output, str):
        raise MisuseError(
            f"the output for example {example.label} is {_shown(output)}; expected the predicted text, a string "
            f"(decode token ids, and take one of several candidates)"
        )
    return output


def references(example: Example) -> tuple[str, ...]:
    """The texts that an output is compared with: `example.target`, where one string is one reference.

    Raises:
        MisuseError: there is no target, or it is neither a string nor a tuple or list of strings.
    """
    target = example.target
    if isinstance(target, str):
        return (target,)
    if isinstance(target, tuple | list) and target and all(isinstance(reference, str) for reference in target):
        return tuple(target)
    raise MisuseError(
        f"the target of example {example.label} is {_shown(target)}; expected its reference text, "
        f"or a tuple of several: Example(…, target=('a reference', 'another'))"
    )


def ratio(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """The quotient; NaN, which fails whatever the limit is, where there is nothing to divide by."""
    shape = np.broadcast_shapes(np.shape(numerators), np.shape(denominators))
    quotients = np.full(shape, np.nan)
    np.divide(numerators, denominators, out=quotients, where=np.not_equal(denominators, 0))
    return quotients


def name_of(function: Callable[..., Any]) -> str:
    """How a signature calls a callable setting: `module.name`, or its class. It cannot tell two lambdas of a module apart."""
    if hasattr(function, "__qualname__"):
        module = getattr(function, "__module__", None)  # methods of built-in types have none
        return f"{module}.{function.__qualname__}" if module else function.__qualname__
    steps = getattr(function, "transforms", ())  # jiwer.Compose
    return type(function).__name__ + (f"({','.join(map(name_of, steps))})" if steps else "")


def warn_once(metric: object, message: str) -> None:
    """Warn of a kind of data that the metric says little about, at the first such example only."""
    if "_warned" not in vars(metric):
        vars(metric)["_warned"] = True  # beside the fields: metrics are frozen
        warnings.warn(message, MetricWarning, stacklevel=4)


def _shown(value: Any) -> str:
    return f"{reprlib.repr(value)} ({type(value).__name__})"
