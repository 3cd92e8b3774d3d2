"""What edits would do, foretold from a gradient: exact where the tokens are neighbours, loosely right for typos."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pytest_llm import MisuseError, embedded, load_examples
from pytest_llm.adversarial import BoundedLoss, Budget, EditScript, InvariantLabel, candidate_table, operations
from pytest_llm.adversarial.attacking import attack_texts
from pytest_llm.adversarial.foretelling import foretold
from pytest_llm.adversarial.search.attack import Search
from pytest_llm.finetuning.compression.quantization import quantize
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.core_factory import fresh_model, trained_model
from pytest_llm.models.embedding_perturbation import embedding_of, perturbed
from pytest_llm.models.encoding import encode_pair
from pytest_llm.models.first_order import continuation_gains, label_gains
from pytest_llm.models.transformers_model import TransformersModel
from tests.tiny_checkpoints import TEXTS, tiny_classifier

TYPOS = operations("typo.swap", "typo.drop", "typo.double", "typo.key")


@pytest.fixture
def classifier() -> ClassifierModel:
    return ClassifierModel(*tiny_classifier(id2label={0: "praise", 1: "blame"}))


def test_it_is_the_change_of_the_loss_where_the_new_token_is_near_the_old_one(classifier: ClassifierModel) -> None:
    """Its vector is put there, a thousandth of the way from the old one to its own."""
    classifier.module.double()
    vocabulary = classifier.tokenizer.get_vocab()
    old, other = (next(word for word in text.split() if word in vocabulary) for text in TEXTS[:2])
    text, edited = f"more {old} more", f"more {other} more"
    [before], [after] = (classifier.framed([one]) for one in (text, edited))
    with torch.no_grad():
        table = classifier.module.get_input_embeddings().weight
        table[vocabulary[other]] = table[vocabulary[old]] + 1e-3 * (table[vocabulary[other]] - table[vocabulary[old]])
        losses = [
            -float(classifier.module(input_ids=torch.tensor([frame.whole])).logits.log_softmax(dim=-1)[0, 1])
            for frame in (before, after)
        ]
    [gain] = label_gains(classifier, text, [edited], "blame")
    assert gain != 0
    assert gain == pytest.approx(losses[1] - losses[0], rel=0.05)


def test_an_unchanged_text_gains_nothing(classifier: ClassifierModel) -> None:
    assert label_gains(classifier, TEXTS[0], [TEXTS[0]], "praise").tolist() == [0.0]


@pytest.mark.parametrize("edited", ["on", "no more on", "no more on on on", "more"])
def test_texts_with_more_and_fewer_tokens_have_a_gain(classifier: ClassifierModel, edited: str) -> None:
    assert np.isfinite(label_gains(classifier, "no more", [edited], "blame")).all()


def test_what_is_foretold_of_typos_goes_with_what_they_do(tiny: TransformersModel) -> None:
    """Loosely: typos change the number of tokens, and are no small steps."""
    beginning = load_examples(embedded("data/northanger_abbey.jsonl"))[0].text[:9000]
    sentences = [sentence for sentence in re.split(r"(?<=[.;]) ", beginning) if 60 < len(sentence) < 110]
    relation, correlations = BoundedLoss(0.0), []
    for text, behind in zip(sentences[:8:2], sentences[1:8:2], strict=True):
        [example] = load_examples([{"text": text, "target": f" {behind[:30]}"}])
        [clean] = relation.outputs(tiny, [example])
        table = candidate_table(text, operations("typo.swap", "typo.drop"), Budget(max_edits=1))
        gains = foretold(tiny, relation, example, clean, table)
        texts = [EditScript(text, (edit,)).perturbed for edit in table]
        losses = [one for one, _ in relation.judged(tiny, [example] * len(texts), [clean] * len(texts), texts)]
        correlations.append(float(spearmanr([gains[edit] for edit in table], losses).statistic))
    assert len(correlations) == 4
    assert np.mean(correlations) > 0.15


def test_an_attack_ranks_by_gradients_where_that_is_asked_for(classifier: ClassifierModel) -> None:
    rows = load_examples(TEXTS)
    budget, search = Budget(max_edits=1), Search(queries=20, ranking="gradients")
    attacks = attack_texts(classifier, rows, TYPOS, InvariantLabel(), budget=budget, search=search)
    assert attacks.queries.executed <= 20 * len(rows)  # no text without a word was asked about
    assert {attack.state for attack in attacks.of_each} <= {"held", "broken"}


def test_a_core_has_the_gains_of_the_same_weights_in_transformers(tiny: TransformersModel) -> None:
    core = trained_model("decoder")
    edited = ["It was a fnie morning", "It wass a fine morning", "It was a fine evening"]
    of_both = [
        continuation_gains(model, "It was a fine morning", edited, " in spring, and she walked")
        for model in (core, tiny)
    ]
    assert of_both[0] == pytest.approx(of_both[1], rel=1e-3)
    assert all(of_both[0] != 0)


@pytest.mark.parametrize("kind", ["decoder", "classifier"])
def test_a_gain_of_a_core_is_the_slope_of_its_loss(kind: str) -> None:
    """Against central differences in float64, along the line from the old token's vector to the new one's."""
    core: Any = fresh_model("decoder") if kind == "decoder" else fresh_model("encoder", labels=3)
    core.module.double()
    text, edited = "they found the old house", "they found the new house"
    if kind == "decoder":
        [gain] = continuation_gains(core, text, [edited], " empty")
        pairs = [encode_pair(core.tokenizer, one, " empty", core.prefix_token) for one in (text, edited)]
        before, after = ((*own, *target) for own, target in pairs)
        target = list(pairs[0][1])
    else:
        [gain] = label_gains(core, text, [edited], core.labels[1])
        before, after = (frame.whole for frame in core.framed([text, edited]))
        target = [1]
    table: Any = embedding_of(core.module)
    vectors = table.weight.detach()
    line = vectors[list(after)] - vectors[list(before)]

    def loss(step: float) -> float:
        with torch.no_grad(), perturbed(core.module, step * line[None]):
            logits = core.module(input_ids=torch.tensor([before])).logits[0]
        scored = logits[-len(target) - 1 : -1] if kind == "decoder" else logits[None]
        return -float(scored.log_softmax(dim=-1)[torch.arange(len(target)), target].mean())

    assert len(before) == len(after)
    assert gain == pytest.approx((loss(1e-4) - loss(-1e-4)) / 2e-4, rel=1e-5)


def test_an_attack_on_a_core_ranks_by_gradients() -> None:
    core = fresh_model("encoder", labels=3)
    search = Search(queries=5, ranking="gradients")
    attacks = attack_texts(
        core, load_examples(TEXTS), TYPOS, InvariantLabel(), budget=Budget(max_edits=1), search=search
    )
    assert attacks.queries.executed <= 5 * len(TEXTS)


@pytest.mark.parametrize("model", [object(), "a classifier of ours", quantize(fresh_model("decoder"))])
def test_what_shows_no_gradient_is_refused(model: Any) -> None:
    with pytest.raises(MisuseError, match="shows no gradient"):
        label_gains(model, "a", ["b"], 0)
    with pytest.raises(MisuseError, match="shows no gradient"):
        continuation_gains(model, "a", ["b"], "c")
