"""A metric as data: its name and the settings that it was made with, from which it can be made again.

Of settings that are no data (a function that cuts words, a reference model, a folder) the name is kept at most. None of them has
a part in `aggregate`, so that a metric that is made again gives the same values of the same statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, metric_named
from pytest_llm.metrics.custom import CustomMetric
from pytest_llm.metrics.metric import Metric

Settings: TypeAlias = Mapping[str, Any]
"""What JSON can hold; of what it cannot, `{"named": …}`."""

_NAMED = "named"
_NAMELESS = object()


def settings_of(metric: Metric) -> Settings:
    """The settings that are not the default ones, as JSON would read them back."""
    if isinstance(metric, CustomMetric):
        return {"good": metric.good, "counts": metric.counts}
    if not is_dataclass(metric):
        return {}
    given = {one.name: getattr(metric, one.name) for one in fields(metric) if one.init and not _is_default(one, metric)}
    kept = {name: _as_data(value, by_name=name == "reference") for name, value in given.items()}
    return {name: value for name, value in kept.items() if value is not _NAMELESS}


def metric_from(name: str, settings: Settings) -> Metric:
    """The metric of that name and settings; of one of yours its aggregation, if its module is not imported.

    Raises:
        MisuseError: no such metric, or settings that it does not have.
    """
    if "good" in settings and (name not in METRICS or METRICS[name].custom is not None):
        return CustomMetric(_not_at_hand, name, settings["good"], None, settings.get("counts", "examples"))
    return metric_named(
        name, **{key: _from_data(value) for key, value in settings.items() if not isinstance(value, Mapping)}
    )


def _not_at_hand(example: object, output: object) -> float:
    raise MisuseError("the function of this metric is not at hand: only statistics that were stored can be judged")


def _is_default(one: Field[Any], metric: Any) -> bool:
    value = getattr(metric, one.name)
    return one.default is not MISSING and type(value) is type(one.default) and bool(value == one.default)


def _as_data(value: Any, *, by_name: bool = False) -> Any:
    if isinstance(value, Path) or (by_name and isinstance(value, str)):
        return {_NAMED: Path(value).name}  # the folder before it is another one on another machine
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_as_data(item) for item in value]
    name = getattr(value, "__qualname__", None)
    return _NAMELESS if name is None else {_NAMED: f"{getattr(value, '__module__', 'builtins')}.{name}"}


def _from_data(value: Any) -> Any:
    return tuple(map(_from_data, value)) if isinstance(value, list) else value
