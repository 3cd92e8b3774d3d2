"""pytest_llm: model quality, testable like code.

    assert_perplexity_below(llm, texts, 25)

The path of one assertion, top to bottom:

    assertions    the functions that people write in tests
    inference     how examples become outputs: windows, batches, log-probabilities
    models        what can be measured, and how it is loaded
    metrics       sums per example, one formula over them
    verdict       measurement, limit, verdict: the one place where a number passes or fails
    statistics    how sure a number is
    data          examples, and where they come from

The edge: `plugin` (pytest's hooks), `fixtures`, `markers`, `thresholds`, `reports`.

Names are loaded when they are first used: importing this package, or its pytest plugin, imports none of torch,
transformers, numpy and hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.assertions.custom import assert_metric_above, assert_metric_below
    from pytest_llm.assertions.efficiency import (
        assert_latency_below,
        assert_model_size_below,
        assert_peak_memory_below,
        assert_throughput_above,
    )
    from pytest_llm.assertions.language_modeling import (
        assert_conditional_perplexity_below,
        assert_pseudo_perplexity_below,
    )
    from pytest_llm.assertions.quality import assert_perplexity_below
    from pytest_llm.assertions.regression import assert_latency_no_regression
    from pytest_llm.data.embedded import embedded
    from pytest_llm.data.example import Example
    from pytest_llm.data.loading import Columns, load_examples
    from pytest_llm.errors import MetricWarning, MisuseError
    from pytest_llm.inference.calibration import Calibration
    from pytest_llm.inference.measure import measure
    from pytest_llm.limit import Limit
    from pytest_llm.metrics.custom import llm_metric
    from pytest_llm.models.language_model import (
        ConditionalModel,
        LanguageModel,
        MaskedLanguageModel,
        Window,
        WindowedModel,
    )
    from pytest_llm.models.loading import load_model
    from pytest_llm.verdict import Measurement, Outcome, QualityError, Verdict, judge

__version__ = "0.1.0"

_HOMES = {
    "Calibration": "inference.calibration",
    "Columns": "data.loading",
    "ConditionalModel": "models.language_model",
    "Example": "data.example",
    "LanguageModel": "models.language_model",
    "Limit": "limit",
    "MaskedLanguageModel": "models.language_model",
    "Measurement": "verdict",
    "MetricWarning": "errors",
    "MisuseError": "errors",
    "Outcome": "verdict",
    "QualityError": "verdict",
    "Verdict": "verdict",
    "Window": "models.language_model",
    "WindowedModel": "models.language_model",
    "assert_conditional_perplexity_below": "assertions.language_modeling",
    "assert_latency_below": "assertions.efficiency",
    "assert_latency_no_regression": "assertions.regression",
    "assert_metric_above": "assertions.custom",
    "assert_metric_below": "assertions.custom",
    "assert_model_size_below": "assertions.efficiency",
    "assert_peak_memory_below": "assertions.efficiency",
    "assert_perplexity_below": "assertions.quality",
    "assert_pseudo_perplexity_below": "assertions.language_modeling",
    "assert_throughput_above": "assertions.efficiency",
    "embedded": "data.embedded",
    "judge": "verdict",
    "llm_metric": "metrics.custom",
    "load_examples": "data.loading",
    "load_model": "models.loading",
    "measure": "inference.measure",
}

__all__ = [
    "Calibration",
    "Columns",
    "ConditionalModel",
    "Example",
    "LanguageModel",
    "Limit",
    "MaskedLanguageModel",
    "Measurement",
    "MetricWarning",
    "MisuseError",
    "Outcome",
    "QualityError",
    "Verdict",
    "Window",
    "WindowedModel",
    "assert_conditional_perplexity_below",
    "assert_latency_below",
    "assert_latency_no_regression",
    "assert_metric_above",
    "assert_metric_below",
    "assert_model_size_below",
    "assert_peak_memory_below",
    "assert_perplexity_below",
    "assert_pseudo_perplexity_below",
    "assert_throughput_above",
    "embedded",
    "judge",
    "llm_metric",
    "load_examples",
    "load_model",
    "measure",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
