"""The loop: the base stays, the run is repeatable, only what a strategy names moves; a tuned model is better on other rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_llm import Classify, MisuseError, assert_accuracy_above, measure
from pytest_llm.finetuning.feed_forward import FeedForward
from pytest_llm.finetuning.full import Full
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.layer_wise import LayerWise
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.loading import as_language_model
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.corpora import split
from tests.stub_models import UniformModel
from tests.tiny_checkpoints import TEXTS, tiny_bart, tiny_bert, tiny_classifier, tiny_gpt2, tiny_llama

FEW = Recipe(steps=4, learning_rate=1e-2)
ROWS = [{"text": text, "target": label} for text, label in zip(TEXTS, "ababb", strict=True)]
WORDS = Classify({"a": "Austen", "b": "Bront"}, "{text}\nBy:")
LANGUAGES = ["ca", "cs", "da", "de", "en", "es", "fr"]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.module.named_parameters()}


def moved(before: Any, after: Any) -> set[str]:
    own = weights(after)
    return {name for name, weight in weights(before).items() if not torch.equal(weight, own[name])}


def models(family: str) -> dict[str, Any]:
    """One that labels and one that writes."""
    if family == "core":
        return {"labels": classifier_of(fresh_model("encoder"), "ab"), "writes": fresh_model("decoder")}
    return {"labels": classifier_of(tiny_bert(), "ab"), "writes": as_language_model(tiny_llama())}


@pytest.mark.parametrize("family", ["core", "transformers"])
@pytest.mark.parametrize("strategy", [Full(), FeedForward(), LayerWise(), LayerWise(layers=1)], ids=repr)
def test_what_a_strategy_names_moves_and_nothing_else(family: str, strategy: Strategy) -> None:
    for kind, base in models(family).items():
        before = weights(base)
        tuned = finetune(base, ROWS, FEW, strategy, task=None if kind == "labels" else WORDS, rows=5)
        assert moved(base, tuned.model) == set(tuned.trained.names)
        assert all(torch.equal(weight, before[name]) for name, weight in weights(base).items())
        assert tuned.trained.count == sum(before[name].numel() for name in tuned.trained.names)
        assert str(tuned.trained).startswith(
            f"{tuned.trained.count} of {sum(map(torch.numel, before.values()))} parameters"
        )
        assert len(tuned.losses) == 4
        assert tuned.losses[-1] < tuned.losses[0]
        assert not tuned.model.module.training
        assert {parameter.requires_grad for parameter in tuned.model.module.parameters()} == {True}


@pytest.mark.parametrize("family", ["core", "transformers"])
def test_a_run_is_the_same_each_time(family: str) -> None:
    base = models(family)["labels"]
    one, other = (finetune(base, ROWS, FEW, rows=2) for _ in range(2))
    assert one.losses == other.losses
    assert moved(one.model, other.model) == set()
    assert finetune(base, ROWS, FEW, rows=2, seed=1).losses != one.losses


def test_feed_forward_is_without_norms_attention_and_embeddings() -> None:
    base = fresh_model("decoder")
    names = FeedForward().trained(base, 1).names
    assert len(names) == 6  # gate, up and down of two layers; the head is the embedding
    assert all(".feed_forward." in name for name in names)
    of_classifier = FeedForward().trained(ClassifierModel(*tiny_classifier()), 1)
    assert {name for name in of_classifier.names if "layer." not in name} == {
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    }


def test_layers_thaw_from_the_output_down_and_lower_ones_learn_more_slowly() -> None:
    """ULMFiT: η of each layer is η/2.6 of the one above it."""
    groups = LayerWise(thawed=0.6).trained(ClassifierModel(*tiny_classifier()), 10).groups
    assert [group.scale for group in groups] == pytest.approx([1, 1 / 2.6, 1 / 2.6**2, 1 / 2.6**3])
    assert [group.start for group in groups] == [0, 2, 4, 6]
    assert groups[0].names[-1] == "classifier.bias"
    assert all("layer.1." in name for name in groups[1].names)
    assert all("layer.0." in name for name in groups[2].names)
    assert all("embeddings" in name for name in groups[3].names)


def test_a_frozen_layer_does_not_move_before_its_step() -> None:
    base = classifier_of(fresh_model("encoder"), "ab")
    tuned = finetune(base, ROWS, Recipe(steps=2, learning_rate=1e-2), LayerWise(decay=1, thawed=0.9), rows=2)
    starts = {name: group.start for group in tuned.trained.groups for name in group.names}
    assert sorted(set(starts.values())) == [0, 1]
    first = finetune(base, ROWS, Recipe(steps=1, learning_rate=1e-2), LayerWise(decay=1, thawed=0), rows=2)
    assert moved(base, first.model) == set(starts)


def test_prompts_and_words_are_learned_as_they_are_scored() -> None:
    """The loss of the first step is the mean log-likelihood that `score_pairs` gives the right words."""
    undisturbed = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    rows = [{**row, "text": row["text"][:20]} for row in ROWS]
    for base in (as_language_model(tiny_llama()), as_language_model(tiny_gpt2(**undisturbed)), fresh_model("decoder")):
        pairs = [(f"{row['text']}\nBy:", f" {WORDS.words[row['target']]}") for row in rows]  # type: ignore[index]
        scored = [value for array in base.score_pairs(pairs) for value in array]  # type: ignore[union-attr]
        first = finetune(base, rows, Recipe(steps=1, learning_rate=0.0), task=WORDS, rows=5).losses[0]
        assert first == pytest.approx(-sum(scored) / len(scored), rel=1e-4)


def test_an_encoder_decoder_learns_targets_as_they_are_scored() -> None:
    for base in (as_language_model(tiny_bart(dropout=0.0)), fresh_model("encoder-decoder")):
        rows = [{"text": text, "target": text[::-1]} for text in TEXTS]
        scored = [value for array in base.score_pairs([(t, f" {t[::-1]}") for t in TEXTS]) for value in array]  # type: ignore[union-attr]
        tuned = finetune(base, rows, Recipe(steps=3, learning_rate=1e-2), rows=5)
        assert tuned.losses[0] == pytest.approx(-sum(scored) / len(scored), rel=1e-4)
        assert tuned.losses[-1] < tuned.losses[0]


def test_a_written_text_is_learned_with_its_end() -> None:
    base = fresh_model("decoder")
    rows = [{"text": "Who wrote it?", "target": "Jane Austen"}]
    tuned = finetune(base, rows, Recipe(steps=20, learning_rate=1e-2), rows=1)
    assert measure(tuned.model, rows, "exact_match").value == 1


def test_a_fresh_model_learns_languages_of_pages_that_it_has_not_seen() -> None:
    training, held_out = split("languages", LANGUAGES)
    base = classifier_of(fresh_model("encoder"), LANGUAGES)
    tuned = finetune(base, training, Recipe(steps=60, learning_rate=3e-3, warm_up=6))
    assert_accuracy_above(tuned.model, held_out, 0.5)


@pytest.mark.parametrize(
    ("base", "rows", "task", "complaint"),
    [
        ("labels", [{"text": "a"}], None, "example #0 has no target"),
        ("labels", [{"text": "a", "target": "c"}], None, r"is 'c', which is none of the labels .* \['a', 'b'\]"),
        ("labels", ROWS, WORDS, "has a head for labels, which answers Classify"),
        ("labels", [{"text": "ho " * 300, "target": "a"}], None, "longer than the 256 tokens"),
        ("writes", [{"text": "a", "target": "c"}], WORDS, "is 'c', which is none of the labels"),
        ("writes", [{"text": "ho " * 300, "target": "a"}], WORDS, "more than the 256 that"),
        ("writes", ROWS, Classify(), "not for Classify"),
    ],
)
def test_examples_that_cannot_be_learned_are_refused(base: str, rows: Any, task: Any, complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        finetune(models("core")[base], rows, FEW, task=task)


def test_models_that_cannot_be_tuned_are_refused() -> None:
    with pytest.raises(MisuseError, match=r"neither labels nor writes texts.*classifier_of"):
        finetune(fresh_model("encoder"), ROWS, FEW)
    with pytest.raises(MisuseError, match="has no weights"):
        finetune(UniformModel(8), ROWS, FEW)
    with pytest.raises(MisuseError, match="layers=0 leaves nothing to train"):
        finetune(as_language_model(tiny_bart()), ROWS, FEW, LayerWise(layers=0))
