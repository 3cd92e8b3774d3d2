"""The metrics, by name. A new metric is one file here, one row below, and one `assert_…` function.

The table is plain text so that markers can be checked at collection without importing numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.metrics.metric import Metric


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a metric lives and which side of a limit is the good one."""

    home: str
    """`module:class` below `pytest_llm.metrics`."""
    good: Literal["below", "above"]
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, **settings: Any) -> Metric:
        """The metric itself; settings are its constructor's arguments."""
        module, name = self.home.split(":")
        made: Metric = getattr(import_module(f"pytest_llm.metrics.{module}"), name)(**{**self.settings, **settings})
        return made


METRICS: dict[str, Entry] = {
    "perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "token"}),
    "word_perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "word"}),
    "byte_perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "byte"}),
    "bits_per_byte": Entry("language_modeling:Perplexity", "below", {"unit": "bits_per_byte"}),
    "conditional_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "token"}),
    "conditional_word_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "word"}),
    "conditional_byte_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "byte"}),
    "conditional_bits_per_byte": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "bits_per_byte"}),
    "pseudo_perplexity": Entry("language_modeling:PseudoPerplexity", "below"),
}


def metric_named(name: str, **settings: Any) -> Metric:
    """The metric of that name, such as `metric_named("perplexity", stride=512)`.

    Raises:
        MisuseError: no such metric, or a setting that it does not have.
    """
    if name not in METRICS:
        raise MisuseError(f"no metric is called {name!r}; there are: {', '.join(METRICS)}")
    try:
        return METRICS[name].make(**settings)
    except TypeError as error:
        raise MisuseError(f"metric {name!r}: {error}") from None
