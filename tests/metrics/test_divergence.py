"""Divergence from a reference model, against formulas in float64."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import MisuseError, QualityError, load_model, measure
from pytest_llm.assertions.divergence import assert_mean_kld_below, assert_same_top_above
from pytest_llm.inference.token_divergence import divergence
from pytest_llm.metrics import METRICS
from pytest_llm.metrics.divergence import Divergence, KldQuantile, TokenDivergence
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.compare import Compare

TEXTS = ["It is a truth universally acknowledged, that a single man", "Catherine Morland " * 40]


@pytest.fixture(scope="module")
def base() -> TransformersModel:
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    return model


@pytest.fixture(scope="module")
def noisy(base: TransformersModel) -> TransformersModel:
    """The same model with noise of a hundredth of each weight matrix's scale."""
    module = copy.deepcopy(base.module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.05 * parameter.std(unbiased=False) * noise)
    return TransformersModel(module, base.tokenizer, name="noisy")


def by_formula(model: TransformersModel, reference: TransformersModel, text: str, length: int) -> dict[str, Any]:
    """Straight from the models' own logits, float64, window by window."""
    tokens = [model.prefix_token, *model.encode([text])[0]]
    kl, same, delta, surprise = [], [], [], []
    for first in range(1, len(tokens), length):
        end = min(first + length, len(tokens))
        window = torch.tensor([tokens[max(0, end - length - 1) : end]])
        with torch.inference_mode():
            p, q = (m.module(window[:, :-1]).logits[0].double().log_softmax(1) for m in (reference, model))
        for row in range(window.shape[1] - 1 - (end - first), window.shape[1] - 1):
            target = int(window[0, row + 1])
            kl.append(float((p[row].exp() * (p[row] - q[row])).sum()))
            same.append(float(p[row].argmax() == q[row].argmax()))
            delta.append(float(q[row, target].exp() - p[row, target].exp()))
            surprise.append(float(p[row, target] - q[row, target]))
    return {"kl": kl, "same": same, "delta": delta, "surprise": surprise}


@pytest.mark.parametrize("length", [None, 16])
def test_all_figures_are_those_of_the_formulas(
    base: TransformersModel, noisy: TransformersModel, length: int | None
) -> None:
    parts = [by_formula(noisy, base, text, length or 256) for text in TEXTS]
    expected = {
        "mean_kld": np.mean(np.concatenate([part["kl"] for part in parts])),
        "same_top": np.mean(np.concatenate([part["same"] for part in parts])),
        "rms_delta_p": math.sqrt(np.mean(np.concatenate([part["delta"] for part in parts]) ** 2)),
        "perplexity_ratio": math.exp(np.mean(np.concatenate([part["surprise"] for part in parts]))),
    }
    for name, value in expected.items():
        found = measure(noisy, TEXTS, name, reference=base, max_length=length).value
        assert found == pytest.approx(value, rel=1e-4), name
    assert expected["mean_kld"] > 1e-3  # the noise is seen at all


@pytest.mark.parametrize("length", [None, 16])
def test_the_tail_is_that_of_all_tokens_by_numpy(
    base: TransformersModel, noisy: TransformersModel, length: int | None
) -> None:
    kl = np.concatenate([by_formula(noisy, base, text, length or 256)["kl"] for text in TEXTS])
    for name, value in {"median_kld": np.median(kl), "kld_p99": np.quantile(kl, 0.99), "max_kld": kl.max()}.items():
        found = measure(noisy, TEXTS, name, reference=base, max_length=length)
        assert found.value == pytest.approx(value, rel=1e-4), name
        assert (found.metric, found.lower_is_better) == (name, True)


def test_each_text_has_its_own_quantile(base: TransformersModel, noisy: TransformersModel) -> None:
    found = measure(noisy, TEXTS, "median_kld", reference=base)
    own = [np.median(by_formula(noisy, base, text, 256)["kl"]) for text in TEXTS]
    assert found.example_values == pytest.approx(own, rel=1e-3)
    assert found.statistics[:, -1].tolist() == [len(tokens) for tokens in base.encode(TEXTS)]


def of(*kl: float) -> TokenDivergence:
    """What was found of one text, as far as its divergence goes."""
    values = np.array(kl)
    zeros = np.zeros(len(kl))
    return TokenDivergence(values, zeros, zeros, zeros, zeros, "a model")


def test_documents_of_one_cluster_are_one_unit() -> None:
    rows = [{"id": str(i), "text": "text", "cluster": str(i // 2)} for i in range(40)]
    outputs = [of(*np.random.default_rng(i).exponential(size=20)) for i in range(40)]
    metric = KldQuantile(0.5)
    _, alone = metric.pooled(outputs, [str(i) for i in range(40)])
    measured = measure(outputs, [{**row, "target": ""} for row in rows], metric)
    assert alone is not None
    assert measured.estimate is not None
    assert (alone.units, measured.estimate.units) == (40, 20)
    assert measured.value == np.median(np.concatenate([output.kl for output in outputs]))


def test_a_maximum_has_no_interval_and_says_why() -> None:
    metric = KldQuantile(1)
    assert metric.pooled([of(1, 3), of(2)], ["a", "b"]) == (3, None)
    assert metric.without_interval == "a maximum has none, because more text has rarer tokens"


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 2), (0.99, 100)])
def test_a_quantile_takes_enough_tokens(quantile: float, fewest: int) -> None:
    metric = KldQuantile(quantile)
    metric.pooled([of(*range(fewest))], ["a"])
    with pytest.raises(
        MisuseError, match=f"{metric.name} takes at least {fewest} tokens, and the texts have {fewest - 1}"
    ):
        metric.pooled([of(*range(fewest - 1))], ["a"])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("quantile", [0.5, 1])
def test_no_number_is_no_pass(quantile: float, broken: float) -> None:
    """NaN at one token makes every quantile NaN; an infinite one is larger than any other."""
    value, estimate = KldQuantile(quantile).pooled([of(1, 2, broken), of(3, 4, 5)], ["a", "b"])
    assert value == pytest.approx(broken if math.isnan(broken) or quantile == 1 else 3.5, nan_ok=True)
    assert (estimate is None) == (math.isnan(broken) or quantile == 1)


def test_the_message_stands_infinite_values() -> None:
    text = KldQuantile(0.5).explain_outputs([of(1, 2, math.inf)])
    assert text.startswith("KLD mean inf, median 2, 99 % inf, max inf\n")
    assert text.endswith("reference: a model")


@pytest.mark.parametrize("quantile", [0, -0.5, 1.1, True, "p99", math.nan])
def test_a_quantile_that_is_none_is_refused(quantile: Any) -> None:
    with pytest.raises(MisuseError, match=r"expected a share such as 0\.99, or 1 for the largest"):
        KldQuantile(quantile)


def test_quantiles_are_called_as_in_the_table() -> None:
    for name in ("median_kld", "kld_p99", "max_kld"):
        assert METRICS[name].make().name == name
    assert KldQuantile(0.999).name == "kld_p99.9"


def test_equal_models_do_not_diverge(base: TransformersModel) -> None:
    measurement = assert_mean_kld_below(base, TEXTS, 1e-9, reference="tiny-decoder")
    assert measurement.value == pytest.approx(0, abs=1e-12)
    assert_same_top_above(base, TEXTS, 0.999, reference=base)


def test_a_model_that_is_too_far_off_fails_with_all_figures(base: TransformersModel, noisy: TransformersModel) -> None:
    with pytest.raises(QualityError, match=r"mean_kld 0\.\d+ is not below 1e-06: over the limit by") as raised:
        assert_mean_kld_below(noisy, TEXTS, 1e-6, reference=base)
    message = str(raised.value)
    assert "KLD mean" in message
    assert "same top token" in message
    assert "99 %" in message


def test_impossible_tokens_do_not_count_where_the_reference_excludes_them() -> None:
    base = torch.tensor([[0.5, 0.5, 0.0]]).log()
    own = torch.tensor([[0.25, 0.25, 0.5]]).log()
    kl, *_ = divergence(own, base, [0])
    assert kl.tolist() == pytest.approx([math.log(2)])
    kl, *_ = divergence(base, own, [0])
    assert kl.tolist() == [math.inf]


def test_models_that_cut_text_differently_are_refused(base: TransformersModel) -> None:
    class Other(TransformersModel):
        def encode(self, texts: Any) -> list[list[int]]:
            return [[1, 2, 3] for _ in texts]

    with pytest.raises(MisuseError, match="cut the text of #0 into different tokens"):
        measure(base, TEXTS, "mean_kld", reference=Other(base.module, base.tokenizer))


def test_a_reference_is_needed(base: TransformersModel) -> None:
    with pytest.raises(MisuseError, match="no reference: say which model to compare with"):
        measure(base, TEXTS, "mean_kld")


def test_a_model_without_distributions_is_refused(base: TransformersModel) -> None:
    class Words:
        def score(self, texts: Any) -> Any:
            return [[-1.0] for _ in texts]

    with pytest.raises(MisuseError, match="Words cannot say how probable every token is at each place"):
        measure(Words(), TEXTS, "mean_kld", reference=base)


@pytest.mark.parametrize("length", [1, True, 2.0])
def test_window_lengths_that_are_none_are_refused(length: Any) -> None:
    with pytest.raises(MisuseError, match="max_length="):
        Compare("tiny-decoder", length)


def test_an_unknown_statistic_is_refused() -> None:
    with pytest.raises(MisuseError, match="statistic='kl'"):
        Divergence("kl")  # type: ignore[arg-type]
