"""Cross-view prediction: what a batch is, that the loss is InfoNCE both ways, and that a model learns which texts go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from pytest_llm import Embed, MisuseError, assert_mrr_above, assert_recall_at_k_above
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.core_model import core_model
from pytest_llm.pretraining.batch import accuracy, total_loss
from pytest_llm.pretraining.cross_view import CrossViewObjective, TwoViews, Views, halves, views_of
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import TextEmbedder
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import four_languages

PAIRS: tuple[Views, ...] = tuple((tuple(range(1, 2 + n % 5)), (10 + n,) * (1 + n % 3)) for n in range(12))


def two_views(**settings: Any) -> TwoViews:
    return TwoViews(fresh(TextEmbedder, Config(vocabulary=30, width=16, layers=1, heads=2, max_length=16)), **settings)


def test_a_batch_is_pairs_none_of_them_twice_and_a_function_of_its_number() -> None:
    objective = CrossViewObjective(PAIRS, rows=8)
    seen = set()
    for number in range(6):
        batch, again = objective(number), objective(number)
        assert all(torch.equal(tensor, again.inputs[name]) for name, tensor in batch.inputs.items())
        rows = [
            tuple(
                tuple(row[mask == 1].tolist())
                for row, mask in zip(batch.inputs[view], batch.inputs[f"{view}_mask"], strict=True)
            )
            for view in ("first", "second")
        ]
        made = list(zip(*rows, strict=True))
        assert set(made) <= set(PAIRS)
        assert len(set(made)) == 8
        assert batch.targets.tolist() == [list(range(8))] * 2
        seen.update(made)
    assert seen == set(PAIRS)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_loss_is_info_nce_in_both_directions(temperature: float) -> None:
    """Against its formula in float64, over each text read alone: padding says nothing."""
    model, batch = two_views(temperature=temperature), CrossViewObjective(PAIRS, rows=6)(0)
    first, second = (
        np.stack(
            [
                model.embedder(row[mask == 1][None])[0].detach().double().numpy()
                for row, mask in zip(batch.inputs[view], batch.inputs[f"{view}_mask"], strict=True)
            ]
        )
        for view in ("first", "second")
    )
    s = first @ second.T / temperature
    expected = np.mean(
        [-0.5 * (s[i, i] - np.log(np.exp(s[i]).sum()) + s[i, i] - np.log(np.exp(s[:, i]).sum())) for i in range(6)]
    )
    assert float(total_loss(model, batch).detach()) / batch.predicted == pytest.approx(expected, rel=1e-5)
    numbers = list(range(6))
    right = [top_k_accuracy_score(numbers, scores, k=1, labels=numbers) for scores in (s, s.T)]
    assert accuracy(model, batch) == pytest.approx(np.mean(right))


def test_what_makes_no_batch_is_refused() -> None:
    for rows in (1, 13):
        with pytest.raises(MisuseError, match=f"rows={rows} of 12 pairs"):
            CrossViewObjective(PAIRS, rows)
    with pytest.raises(MisuseError, match="temperature=0"):
        two_views(temperature=0)
    tokenizer: Any = fresh_model("encoder", layers=1).tokenizer
    with pytest.raises(MisuseError, match="one view of a pair is empty"):
        views_of(tokenizer, [("a", "b"), ("c", "")], length=8)
    assert halves("a truth universally acknowledged, that") == ("a truth", "universally acknowledged, that")
    with pytest.raises(MisuseError, match="has 1 words"):
        halves("one")


def test_an_embedder_learns_which_translation_belongs_to_a_text() -> None:
    """English and German, of 150 texts; asked about 50 others, where guessing finds one in ten among the first five."""
    tokenizer: Any = fresh_model("encoder", layers=1).tokenizer
    learned, held_out = (tuple(zip(*texts[:2], strict=True)) for texts in four_languages())
    embedder = fresh(TextEmbedder, Config(vocabulary=len(tokenizer), width=64, layers=1, heads=4, max_length=512))
    model: Any = core_model(embedder, tokenizer)
    questions = [{"text": text, "target": [str(place)]} for place, (text, _) in enumerate(held_out)]
    task = Embed({str(place): translation for place, (_, translation) in enumerate(held_out)})
    objective = CrossViewObjective(views_of(tokenizer, learned, length=48), rows=32)
    list(
        Trainer(TwoViews(embedder, temperature=0.1), objective, Recipe(steps=30, learning_rate=1e-3, warm_up=10)).run()
    )
    found = assert_recall_at_k_above(model, questions, 0.25, task=task, k=5)
    ranked = assert_mrr_above(model, questions, 0.17, task=task)

    # the same numbers from scikit-learn
    first, second = (np.stack(model.embed(list(side))) for side in zip(*held_out, strict=True))
    cosines = (first / np.linalg.norm(first, axis=1)[:, None]) @ (second / np.linalg.norm(second, axis=1)[:, None]).T
    numbers = list(range(50))
    assert found.value == pytest.approx(top_k_accuracy_score(numbers, cosines, k=5, labels=numbers))
    assert ranked.value == pytest.approx(label_ranking_average_precision_score(np.eye(50), cosines))


def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    objective, recipe = CrossViewObjective(PAIRS, rows=4), Recipe(steps=4, learning_rate=1e-2)
    whole, stopped, resumed = (Trainer(two_views(), replace(objective), recipe) for _ in range(3))
    losses = list(whole.run())
    first = list(stopped.run(until=2))
    stopped.save(tmp_path / "run.pt")
    resumed.resume(tmp_path / "run.pt")
    assert first + list(resumed.run()) == losses
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
