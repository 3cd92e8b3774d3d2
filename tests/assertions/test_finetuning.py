"""What the assertions about fine-tuning take, decide and say, with predictions and with real tuned models."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import (
    Classify,
    MisuseError,
    Outcome,
    QualityError,
    assert_finetuning_improves,
    assert_no_forgetting,
    embedded,
    load_examples,
)
from pytest_llm.errors import MetricWarning
from pytest_llm.finetuning.full import Full
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.trainer import Recipe
from pytest_llm.recording import recording
from tests.finetuning.corpora import split
from tests.stub_models import UniformModel

ROWS = [{"id": str(n), "text": str(n), "target": "a"} for n in range(40)]
NONE, HALF, ALL = ["b"] * 40, ["a"] * 20 + ["b"] * 20, ["a"] * 40
TEXTS = ["a" * n for n in range(3, 43)]
LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
WHICH = Classify(LANGUAGES, "{text}\nLanguage:")
NOVEL = [" ".join(example.text.split()[:40]) for example in load_examples(embedded("data/held_out.jsonl"))][:16]


def test_an_improvement_passes_and_returns_the_tuned_model_s_measurement() -> None:
    with recording() as recorder:
        measured = assert_finetuning_improves(HALF, ALL, ROWS, "exact_match")
    assert measured.value == 1
    (verdict,) = recorder.verdicts
    assert verdict.sentence.startswith("exact_match 1 is 0.5 better than before tuning (0.5), p = 9.5e-07")
    assert verdict.chance is None  # alpha bounds how often it passes for nothing, not how often it fails
    assert recorder.measurements == [measured]


def test_what_did_not_improve_fails_with_a_message_that_teaches() -> None:
    with pytest.raises(QualityError, match=r"^exact_match 0\.5 is 0\.5 worse than before tuning \(1\)") as caught:
        assert_finetuning_improves(ALL, HALF, ROWS, "exact_match")
    assert caught.value.verdict.outcome is Outcome.FAILED
    for line in ("interval ", "seen ", "measured   40 examples", "lost most ", "before ", "signature ", "to change "):
        assert f"\n  {line}" in str(caught.value)


def test_a_margin_has_to_be_exceeded() -> None:
    assert_finetuning_improves(HALF, ALL, ROWS, "exact_match", margin="25pp")
    with pytest.raises(QualityError, match=r"0\.5 is asked for"):
        assert_finetuning_improves(HALF, ALL, ROWS, "exact_match", margin=0.5)


def test_clusters_are_what_is_independent() -> None:
    rows = [{**row, "page": int(row["id"]) // 8} for row in ROWS]
    with pytest.raises(QualityError, match="5 independent documents prove nothing"):
        assert_finetuning_improves(NONE, ALL, rows, "exact_match", cluster="page")


def test_forgetting_fails_and_what_is_tolerated_does_not() -> None:
    assert_no_forgetting(UniformModel(8), UniformModel(8.2), TEXTS, "perplexity", "5%")
    with pytest.raises(
        QualityError, match=r"^perplexity 9 is 12\.5 % worse than before tuning \(8\): 5 % is tolerated"
    ):
        assert_no_forgetting(UniformModel(8), UniformModel(9), TEXTS, "perplexity", "5%")
    with pytest.raises(QualityError, match="to forget less: a lower learning rate"):
        assert_no_forgetting(ALL, HALF, ROWS, "exact_match", "1pp")


def test_a_loss_that_may_be_chance_warns_or_fails_as_is_asked() -> None:
    two_lost = ["b", "b", *ALL[2:]]
    with pytest.warns(MetricWarning, match="but chance alone does this"):
        assert_no_forgetting(ALL, two_lost, ROWS, "exact_match", "1pp")
    with pytest.raises(QualityError):
        assert_no_forgetting(ALL, two_lost, ROWS, "exact_match", "1pp", on_inconclusive="fail")


def test_who_could_nothing_has_nothing_to_forget() -> None:
    with pytest.raises(MisuseError, match=r"exact_match was 0 before tuning .*: there is nothing"):
        assert_no_forgetting(NONE, HALF, ROWS, "exact_match", "1pp")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"margin": "a lot"}, "margin='a lot'"), ({"margin": -0.1}, "margin=-0.1"), ({"alpha": 1}, "alpha=1")],
)
def test_senseless_claims_are_refused_before_a_model_is_asked(settings: Any, complaint: str) -> None:
    model = UniformModel(8)
    with pytest.raises(MisuseError, match=complaint):
        assert_finetuning_improves(model, model, TEXTS, "perplexity", **settings)
    assert model.calls == []


@pytest.fixture(scope="module")
def rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return split("languages", list(LANGUAGES), words=8)


def test_another_prompt_is_compared_where_that_is_said(tiny: TransformersModel, rows: Any) -> None:
    other = Classify(LANGUAGES, "{text} is")
    with pytest.raises(QualityError, match="before tuning") as caught:
        assert_finetuning_improves(tiny, tiny, rows[1], "accuracy", task=other, before_task=WHICH)
    assert other.signature in str(caught.value)


def test_a_learning_rate_of_0_improves_nothing(tiny: TransformersModel, rows: Any) -> None:
    tuned = finetune(tiny, rows[0], Recipe(steps=3, learning_rate=0.0), Full(), task=WHICH)
    with pytest.raises(QualityError, match=r"is that of before tuning: it did not improve"):
        assert_finetuning_improves(tiny, tuned.model, rows[1], "accuracy", task=WHICH)
    assert_no_forgetting(tiny, tuned.model, NOVEL, "perplexity", 0)


def test_a_huge_learning_rate_wrecks_what_the_model_could_do(tiny: TransformersModel, rows: Any) -> None:
    wrecked = finetune(tiny, rows[0], Recipe(steps=2, learning_rate=0.3), task=WHICH, rows=8).model
    with pytest.raises(QualityError, match=r"perplexity .* worse than before tuning \(.*\): 20 % is tolerated"):
        assert_no_forgetting(tiny, wrecked, NOVEL, "perplexity", "20%")
