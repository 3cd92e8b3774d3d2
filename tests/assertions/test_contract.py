"""What every assertion on outputs promises: the right value decides, senseless limits are refused, engines are passed on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import sacrebleu

import pytest_llm
from pytest_llm import ChoiceScores, Embed, Engine, Measurement, MisuseError, Outcome, QualityError
from pytest_llm.recording import recording

CAT = ["the cat sat on the mat", "it is a dog"]
MAT = ["the cat sat on a mat", "it is a dog"]
LABELS = ["a", "b", "b", "b"]
TARGETS = ["a", "b", "a", "b"]
SURE = [("a", 0.9), ("b", 0.8), ("b", 0.7), ("b", 1.0)]
TAGS = [["B-X", "O", "B-Y"], ["O", "B-X", "O"]]
TRUE_TAGS = [["B-X", "O", "O"], ["O", "B-X", "B-X"]]
SCORES = [ChoiceScores.of([-1, -3], ["a", "bbbb"]), ChoiceScores.of([-2, -5], ["a", "bbbb"])]
RANKED = [["d", "a"], ["b", "c"]]
RELEVANT = [["a"], ["b"]]

BLEU, CHRF = sacrebleu.corpus_bleu(CAT, [MAT]).score, sacrebleu.corpus_chrf(CAT, [MAT]).score
CHRF_PLUS_PLUS = sacrebleu.corpus_chrf(CAT, [MAT], word_order=2).score
METEOR = (5 / 6 * (1 - 0.5 * (3 / 5) ** 3) + 1 - 0.5 * (1 / 4) ** 3) / 2  # NLTK takes the second "the": three chunks

# name of the assertion, outputs, data, settings, value
CASES: list[tuple[str, Any, Any, dict[str, Any], float]] = [
    ("assert_bleu_above", CAT, MAT, {}, BLEU),
    ("assert_bleu_above", CAT, [[text, "no"] for text in MAT], {"nrefs": 2}, BLEU),
    ("assert_chrf_above", CAT, MAT, {}, CHRF),
    ("assert_chrf_above", CAT, MAT, {"word_order": 2}, CHRF_PLUS_PLUS),
    ("assert_ter_below", CAT, MAT, {}, 10),  # one word of ten
    ("assert_rouge_above", CAT, MAT, {}, (5 / 6 + 1) / 2),
    ("assert_rouge_above", CAT, MAT, {"variant": "rouge2"}, (3 / 5 + 1) / 2),
    ("assert_meteor_above", CAT, MAT, {}, METEOR),
    ("assert_exact_match_above", CAT, MAT, {}, 1 / 2),
    ("assert_squad_f1_above", CAT, MAT, {}, 1),  # articles do not count
    ("assert_wer_below", CAT, MAT, {}, 1 / 10),
    ("assert_cer_below", CAT, MAT, {}, 3 / 31),
    ("assert_mer_below", CAT, MAT, {}, 1 / 10),
    ("assert_wil_below", CAT, MAT, {}, 1 - 0.9 * 0.9),
    ("assert_accuracy_above", LABELS, TARGETS, {}, 3 / 4),
    ("assert_balanced_accuracy_above", LABELS, TARGETS, {}, (1 / 2 + 1) / 2),
    ("assert_precision_above", LABELS, TARGETS, {}, (1 + 2 / 3) / 2),
    ("assert_recall_above", LABELS, TARGETS, {"label": "a"}, 1 / 2),
    ("assert_f1_above", LABELS, TARGETS, {}, (2 / 3 + 4 / 5) / 2),
    ("assert_f1_above", LABELS, TARGETS, {"average": "micro"}, 3 / 4),
    ("assert_matthews_correlation_above", LABELS, TARGETS, {}, 1 / math.sqrt(3)),
    ("assert_calibration_error_below", SURE, TARGETS, {"bins": 1}, 3.4 / 4 - 3 / 4),
    ("assert_acc_above", SCORES, [0, 1], {}, 1 / 2),
    ("assert_acc_above", SCORES, [1, 1], {"per": "character"}, 1),
    ("assert_acc_above", SCORES, [0, 1], {"per": "byte"}, 1 / 2),
    ("assert_entity_f1_above", TAGS, TRUE_TAGS, {"label": "X"}, 4 / 5),
    ("assert_entity_precision_above", TAGS, TRUE_TAGS, {}, 2 / 3),
    ("assert_entity_recall_above", TAGS, TRUE_TAGS, {}, 2 / 3),
    ("assert_recall_at_k_above", RANKED, RELEVANT, {"k": 1}, 1 / 2),
    ("assert_mrr_above", RANKED, RELEVANT, {}, (1 / 2 + 1) / 2),
    ("assert_ndcg_above", RANKED, RELEVANT, {}, (1 / math.log2(3) + 1) / 2),
    ("assert_metric_above", CAT, MAT, {"metric": "bleu"}, BLEU),
    ("assert_metric_below", CAT, MAT, {"metric": "wer"}, 1 / 10),
]
WITH_ONE_VALUE = pytest.mark.parametrize(
    ("name", "outputs", "data", "settings", "value"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)]
)
LANGUAGE_MODELING = {
    "assert_perplexity_below",
    "assert_conditional_perplexity_below",
    "assert_pseudo_perplexity_below",
}
DIVERGENCE = {"assert_divergence_below", "assert_mean_kld_below", "assert_same_top_above"}
SMOOTHNESS = {"assert_smooth_below"}  # of gradients, not of outputs: promises of its own, in test_smoothness.py
TIMES_AND_SIZES = {  # of requests and files, not of outputs: promises of their own, in test_efficiency.py
    "assert_latency_below",
    "assert_latency_no_regression",
    "assert_model_size_below",
    "assert_peak_memory_below",
    "assert_throughput_above",
}
CHANGES = {  # against another model: test_no_regression.py, test_recovery.py, test_finetuning.py
    "assert_finetuning_improves",
    "assert_no_forgetting",
    "assert_no_regression",
    "assert_recovery_above",
}
PEOPLE = {  # no outputs to be judged: promises of their own, in test_human_evaluation.py
    "assert_agreement_above",
    "assert_preference_above",
    "assert_rating_above",
}
ROBUSTNESS = {  # of edited texts: promises of their own, in test_robustness.py
    "assert_minimum_functionality",
    "assert_no_robustness_regression",
    "assert_robust",
}
CONTRACTS = {  # no outputs, no metric, no limit: promises of their own, in test_contracts.py, test_any_text.py
    "assert_attention_close",
    "assert_batch_invariant",
    "assert_cache_consistent",
    "assert_causal",
    "assert_deterministic",
    "assert_device_close",
    "assert_dtype_close",
    "assert_finite_logits",
    "assert_padding_invariant",
    "assert_save_load_identical",
    "assert_sanitiser_restores",
    "assert_special_tokens_isolated",
    "assert_terminates",
    "assert_tokenizer_round_trips",
}
TRAINING = {  # of a run, not of outputs: promises of their own, in test_training.py
    "assert_gradients_finite",
    "assert_gradients_reach_everything",
    "assert_loss_decreases",
    "assert_overfits_one_batch",
}
ALL = sorted(
    {name for name in pytest_llm.__all__ if name.startswith("assert_")}
    - TIMES_AND_SIZES
    - CHANGES
    - PEOPLE
    - CONTRACTS
    - ROBUSTNESS
    - TRAINING
)
NEEDED: dict[str, dict[str, Any]] = {
    **{name: {"reference": "tiny-decoder"} for name in DIVERGENCE},
    **{name: {"epsilon": 0.1} for name in SMOOTHNESS},
    "assert_metric_above": {"metric": "exact_match"},
    "assert_metric_below": {"metric": "wer"},
}


def called(name: str) -> Callable[..., Measurement]:
    """The assertion as `called(model, data, limit)`, with what some must be told besides."""

    def assertion(model: Any, data: Any, limit: Any, **settings: Any) -> Measurement:
        function: Callable[..., Measurement] = getattr(pytest_llm, name)
        return function(model, data, limit=limit, **{**NEEDED.get(name, {}), **settings})

    return assertion


def better_by(name: str, value: float, difference: float) -> float:
    """A limit that is `difference` easier to keep than the value."""
    return value + difference if name.endswith("_below") else value - difference


def test_every_assertion_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(ALL) - LANGUAGE_MODELING - DIVERGENCE - SMOOTHNESS


@WITH_ONE_VALUE
def test_the_value_decides(name: str, outputs: Any, data: Any, settings: dict[str, Any], value: float) -> None:
    easy, hard = (better_by(name, value, sign * 0.01 * max(1, value)) for sign in (1, -1))
    measured = called(name)(outputs, data, easy, **settings)
    assert measured.value == pytest.approx(value, rel=1e-9)
    with pytest.raises(QualityError) as caught:
        called(name)(outputs, data, hard, **settings)
    side = name.rpartition("_")[2]
    first_line = str(caught.value).partition("\n")[0]
    assert first_line.startswith(f"{measured.metric} ")
    assert f"is not {side} " in first_line
    assert caught.value.verdict.measurement.provenance.model == "predictions, given"


@WITH_ONE_VALUE
def test_the_value_itself_is_no_pass(
    name: str, outputs: Any, data: Any, settings: dict[str, Any], value: float
) -> None:
    exact = called(name)(outputs, data, better_by(name, value, 1), **settings).value
    with pytest.raises(QualityError, match="it equals the limit"):
        called(name)(outputs, data, exact, **settings)


@WITH_ONE_VALUE
def test_confidence_needs_ten_examples(
    name: str, outputs: Any, data: Any, settings: dict[str, Any], value: float
) -> None:
    with pytest.raises(QualityError, match=r"independent documents?, at least 10 are needed") as caught:
        called(name)(outputs, data, better_by(name, value, 1), confidence=0.95, **settings)
    assert caught.value.verdict.outcome is Outcome.INCONCLUSIVE


@WITH_ONE_VALUE
def test_what_is_measured_and_judged_is_recorded(
    name: str, outputs: Any, data: Any, settings: dict[str, Any], value: float
) -> None:
    with recording() as recorder:
        measured = called(name)(outputs, data, better_by(name, value, 1), **settings)
    assert recorder.measurements == [measured]
    assert [verdict.passed for verdict in recorder.verdicts] == [True]


class NeverAsked:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the model was asked for {name}")


@pytest.mark.parametrize("limit", [math.nan, math.inf, "0.5", None, True])
@pytest.mark.parametrize("name", ALL)
def test_a_senseless_limit_is_refused_before_anything_else(name: str, limit: Any) -> None:
    with pytest.raises(MisuseError, match=r"limit .*: expected a finite number"):
        called(name)(NeverAsked(), "no such file", limit)


@pytest.mark.parametrize("name", ALL)
def test_an_engine_that_is_none_is_refused(name: str, tiny: Any) -> None:
    with pytest.raises(MisuseError, match="expected an Engine"):
        called(name)(tiny, [{"text": "a", "target": "b"}], 1, engine="fast")


RANKING = {"assert_recall_at_k_above", "assert_mrr_above", "assert_ndcg_above"}


@pytest.mark.parametrize("name", sorted(set(ALL) - DIVERGENCE))
def test_an_engine_reaches_the_model(name: str) -> None:
    """Asked one thing at a time, a model sees one thing at a time."""
    seen: list[int] = []

    class Model:
        def score(self, texts: list[str]) -> list[list[float]]:
            seen.append(len(texts))
            return [[-1.0] for _ in texts]

        score_pairs = score

        def pseudo_log_probs(self, texts: list[str], within_word: bool) -> list[list[float]]:
            return self.score(texts)

        def generate(self, prompts: list[str], decoding: Any) -> list[str]:
            seen.append(len(prompts))
            return prompts

        def classify(self, texts: list[str]) -> list[Any]:
            seen.append(len(texts))
            return [{"a": 0.75, "b": 0.25} for _ in texts]

        def extract(self, texts: list[str]) -> list[Any]:
            seen.append(len(texts))
            return [[(0, 1, "X")] for _ in texts]

        def embed(self, texts: list[str]) -> list[list[float]]:
            seen.append(len(texts))
            return [[1.0, len(text)] for text in texts]

        def embedding_divergence(self, texts: list[str], **ascent: Any) -> list[float]:
            seen.append(len(texts))
            return [0.1 for _ in texts]

    target: dict[str, Any] = {"assert_acc_above": 1, **{ranking: [0] for ranking in RANKING}}
    target |= {name: [(0, 1, "X")] for name in ALL if name.startswith("assert_entity_")}
    task = {"task": Embed(["x", "yy"])} if name in RANKING else {}
    rows = [{"text": text, "target": target.get(name, text), "choices": ["x", "yy"]} for text in "ab"]
    limit = 1e9 if name.endswith("_below") else -1e9
    called(name)(Model(), rows, limit, engine=Engine(deterministic=True), **task)
    assert set(seen) == {1}
    called(name)(Model(), rows, limit, **task)
    assert max(seen) > 1
