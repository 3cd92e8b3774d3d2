"""The four units of perplexity against formulas worked out by hand, and what their settings refuse."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, metric_named
from pytest_llm.metrics.language_modeling import ConditionalPerplexity, Perplexity, PseudoPerplexity
from pytest_llm.metrics.metric import Metric
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.score import Score

LOG_PROBABILITIES = np.array([-1.5, -0.25, -2.75, -0.25])
TEXT = "é und\n\nso"  # 3 words, 9 characters, 10 bytes


def statistics(name: str, text: str = TEXT, output: FloatArray = LOG_PROBABILITIES) -> list[float]:
    return list(metric_named(name).statistics(Example("id", text, "label"), output))


def value(name: str, totals: list[float]) -> float:
    return float(metric_named(name).aggregate(np.array(totals)))


@pytest.mark.parametrize(
    ("name", "units"), [("perplexity", 4), ("word_perplexity", 3), ("byte_perplexity", 10), ("bits_per_byte", 10)]
)
def test_a_text_adds_its_negative_log_likelihood_and_its_units(name: str, units: int) -> None:
    assert statistics(name) == [4.75, units]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("perplexity", math.exp(4.75 / 10)),
        ("word_perplexity", math.exp(4.75 / 10)),
        ("byte_perplexity", math.exp(4.75 / 10)),
        ("bits_per_byte", 4.75 / (10 * math.log(2))),
    ],
)
def test_the_value_of_4_75_nats_over_10_units(name: str, expected: float) -> None:
    assert value(name, [4.75, 10]) == pytest.approx(expected, rel=1e-15)


@settings(deadline=None)
@given(st.text(min_size=1))
def test_words_and_bytes_are_counted_as_lm_eval_does(text: str) -> None:
    assert statistics("word_perplexity", text)[-1] == len(re.split(r"\s+", text))
    assert statistics("byte_perplexity", text)[-1] == len(text.encode("utf-8"))


def test_a_lone_surrogate_counts_three_bytes() -> None:
    assert statistics("byte_perplexity", "a\ud800")[-1] == 4


def test_sums_are_kept_in_float64() -> None:
    output = np.full(100_000, -0.1, dtype=np.float32)
    nll, _ = statistics("perplexity", output=output)  # type: ignore[arg-type]
    assert nll == pytest.approx(100_000 * float(np.float32(0.1)), rel=1e-13)


def test_totals_of_many_examples_give_as_many_values() -> None:
    per_example = metric_named("perplexity").aggregate(np.array([[0.0, 1.0], [2.0, 4.0]]))
    assert per_example.tolist() == pytest.approx([1, math.exp(0.5)])


@pytest.mark.parametrize(("name", "nll"), [("perplexity", 1e6), ("perplexity", math.inf), ("bits_per_byte", math.inf)])
def test_an_enormous_surprise_is_infinite_without_a_warning(name: str, nll: float) -> None:
    assert value(name, [nll, 1]) == math.inf


@pytest.mark.parametrize(
    ("metric", "window", "signature"),
    [
        (Perplexity(), 128, "perplexity|bos:yes|windows:rolling-128|log-softmax:float32"),
        (Perplexity(add_bos=False), 64, "perplexity|bos:no|windows:rolling-64|log-softmax:float32"),
        (Perplexity("word", stride=32), 64, "word_perplexity|bos:yes|windows:stride-32-64|log-softmax:float32"),
        (Perplexity("byte"), None, "byte_perplexity|bos:model's own|windows:model's own|log-softmax:float32"),
        (ConditionalPerplexity(), 512, "conditional_perplexity|eos:model's own|log-softmax:float32"),
        (ConditionalPerplexity("word", True), None, "conditional_word_perplexity|eos:yes|log-softmax:float32"),
        (ConditionalPerplexity(score_eos=False), None, "conditional_perplexity|eos:no|log-softmax:float32"),
        (PseudoPerplexity(), 512, "pseudo_perplexity|masked:rest-of-word|windows:disjoint-512|log-softmax:float32"),
        (
            PseudoPerplexity(within_word=False),
            None,
            "pseudo_perplexity|masked:token|windows:model's own|log-softmax:float32",
        ),
    ],
)
def test_the_signature_holds_every_setting_that_changes_the_number(
    metric: Metric, window: int | None, signature: str
) -> None:
    assert metric.signature(window) == signature


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("conditional_perplexity", 4),
        ("conditional_word_perplexity", 3),
        ("conditional_byte_perplexity", 10),
        ("conditional_bits_per_byte", 10),
    ],
)
def test_of_a_pair_the_units_of_the_target_count(name: str, units: int) -> None:
    metric = metric_named(name)
    example = Example("id", "a source of another length", "label", target=TEXT)
    assert metric.name == name
    assert list(metric.statistics(example, LOG_PROBABILITIES)) == [4.75, units]
    plain = metric_named(name.removeprefix("conditional_"))
    assert value(name, [4.75, units]) == plain.aggregate(np.array([4.75, units]))


def test_pseudo_perplexity_is_per_token() -> None:
    assert statistics("pseudo_perplexity") == [4.75, 4]
    assert value("pseudo_perplexity", [4.75, 4]) == pytest.approx(math.exp(4.75 / 4), rel=1e-15)
    with pytest.raises(MisuseError, match="unit"):
        metric_named("pseudo_perplexity", unit="word")


@pytest.mark.parametrize(
    ("metric", "setting"), [("conditional_perplexity", "score_eos"), ("pseudo_perplexity", "within_word")]
)
def test_choices_are_checked_when_the_metric_is_made(metric: str, setting: str) -> None:
    with pytest.raises(MisuseError, match=f"{setting}=1"):
        metric_named(metric, **{setting: 1})


def test_settings_reach_the_request() -> None:
    request = metric_named("perplexity", stride=7, max_length=9, add_bos=False).task
    assert isinstance(request, Score)
    assert (request.stride, request.max_length, request.add_bos) == (7, 9, False)


@pytest.mark.parametrize("unit", ["word", "byte", "bits_per_byte"])
def test_without_bos_only_tokens_are_a_fair_unit(unit: str) -> None:
    with pytest.raises(MisuseError, match=f"unit='{unit}' with add_bos=False: .* use add_bos=True"):
        Perplexity(unit, add_bos=False)  # type: ignore[arg-type]


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(MisuseError, match="unit='char': expected one of 'token', 'word', 'byte', 'bits_per_byte'"):
        Perplexity("char")  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["stride", "max_length"])
@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "8"])
def test_window_settings_that_are_no_number_of_tokens_are_refused(setting: str, wrong: object) -> None:
    with pytest.raises(MisuseError, match=f"{setting}={wrong!r}: expected None or a whole number of tokens"):
        metric_named("perplexity", **{setting: wrong})


def test_a_window_of_one_token_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"max_length=1: .* at least 2"):
        Perplexity(max_length=1)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(MisuseError, match="no metric is called 'ppl'; there are: perplexity, word_perplexity"):
        metric_named("ppl")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"metric 'perplexity': .*'strides'"):
        metric_named("perplexity", strides=8)


NEEDED = {name: {"candidate": "new"} for name in ("win_rate", "bradley_terry")}
"""Settings without which there is no such metric."""


@pytest.mark.parametrize("name", METRICS)
def test_every_row_of_the_table_makes_the_metric_it_names(name: str) -> None:
    metric = metric_named(name, **NEEDED.get(name, {}))
    assert metric.name == name
    assert metric.lower_is_better == (METRICS[name].good == "below")


@pytest.mark.parametrize(
    "name", [name for name, entry in METRICS.items() if entry.home.startswith("language_modeling:")]
)
def test_every_perplexity_has_errors_on_the_scale_it_names(name: str) -> None:
    doubled = value(name, [8, 4]) / value(name, [4, 4])
    assert metric_named(name).scale == ("linear" if doubled == pytest.approx(2) else "log")
