"""Next-sentence prediction: which pairs are made, how often, how they are cut; and that a model learns to tell them apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import binomtest, chisquare

from pytest_llm import MisuseError, assert_accuracy_above
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.core_model import core_model
from pytest_llm.pretraining.batch import accuracy, predictions, total_loss
from pytest_llm.pretraining.next_sentence import NEXT, OTHER, NextSentenceObjective, Sentences, sentences_of
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import SequenceClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import four_languages, tokenizer

START, END = 1, 2
DOCUMENTS: tuple[Sentences, ...] = (
    ((10, 11), (12,), (13, 14, 15)),
    ((20,),),  # one sentence: no pair
    ((30, 31, 32), (33,)),
    (),
    ((40,), (41,), (42,), (43, 44)),
)
SENTENCES = {sentence: (d, s) for d, document in enumerate(DOCUMENTS) for s, sentence in enumerate(document)}


def objective(**settings: Any) -> NextSentenceObjective:
    usual = {"rows": 16, "length": 16, "start_token": START, "separator": END}
    return NextSentenceObjective(DOCUMENTS, **{**usual, **settings})


def pairs(batch: Any) -> list[tuple[tuple[int, int], tuple[int, int], int]]:
    """Of each row where its sentences stand, and its label."""
    found = []
    for tokens, mask, label in zip(batch.inputs["tokens"], batch.inputs["mask"], batch.targets.tolist(), strict=True):
        row = tokens[: int(mask.sum())].tolist()
        assert row[0] == START
        assert row[-1] == END
        middle = row.index(END)
        found.append((SENTENCES[tuple(row[1:middle])], SENTENCES[tuple(row[middle + 1 : -1])], label))
    return found


def test_half_of_the_pairs_are_neighbours_and_half_of_two_documents() -> None:
    found = [pair for number in range(60) for pair in pairs(objective()(number))]
    for (document, place), follower, label in found:
        assert follower == (document, place + 1) if label == NEXT else follower[0] != document
        assert follower[1] > 0  # what no other sentence precedes is the second of no pair
    assert binomtest(sum(label == NEXT for *_, label in found), len(found), 0.5).pvalue > 0.01


def test_all_pairs_are_equally_frequent_and_so_are_all_others() -> None:
    found = [pair for number in range(200) for pair in pairs(objective()(number))]
    first = Counter(a for a, *_ in found)
    assert set(first) == {(0, 0), (0, 1), (2, 0), (4, 0), (4, 1), (4, 2)}
    assert chisquare(list(first.values())).pvalue > 0.01
    others = Counter(b for a, b, label in found if label == OTHER and a[0] == 0)
    assert set(others) == {(2, 1), (4, 1), (4, 2), (4, 3)}
    assert chisquare(list(others.values())).pvalue > 0.01


def test_a_batch_is_a_function_of_its_number() -> None:
    first, again, other = (objective()(number) for number in (3, 3, 4))
    assert torch.equal(first.inputs["tokens"], again.inputs["tokens"])
    assert torch.equal(first.targets, again.targets)
    assert pairs(first) != pairs(other)


def test_segments_number_the_sentences_and_padding_is_masked() -> None:
    batch = objective(segments=True)(0)
    for tokens, segments, mask in zip(
        *(batch.inputs[name].tolist() for name in ("tokens", "segments", "mask")), strict=True
    ):
        of_a = tokens.index(END) + 1
        real = sum(mask)
        assert mask == [1] * real + [0] * (len(mask) - real)
        assert segments[:real] == [0] * of_a + [1] * (real - of_a)
    assert "segments" not in objective()(0).inputs


def test_what_does_not_fit_is_cut_far_from_the_seam() -> None:
    long: tuple[Sentences, ...] = (
        (tuple(range(100, 120)), tuple(range(200, 220))),
        (tuple(range(300, 302)), tuple(range(400, 402))),
    )
    rows = set()
    for number in range(20):
        batch = replace(objective(rows=8, length=11), documents=long)(number)
        assert batch.inputs["tokens"].shape[1] <= 11
        for tokens, mask in zip(batch.inputs["tokens"], batch.inputs["mask"], strict=True):
            rows.add(tuple(tokens[: int(mask.sum())].tolist()))
    assert rows == {
        (START, 116, 117, 118, 119, END, 200, 201, 202, 203, END),
        (START, 114, 115, 116, 117, 118, 119, END, 400, 401, END),
        (START, 300, 301, END, 200, 201, 202, 203, 204, 205, END),
        (START, 300, 301, END, 400, 401, END),
    }


@pytest.mark.parametrize(
    ("documents", "settings", "complaint"),
    [
        (DOCUMENTS[:2], {}, "fewer than two documents have two sentences"),
        (DOCUMENTS, {"length": 4}, "length=4: two sentences and three special tokens"),
    ],
)
def test_what_makes_no_pairs_is_refused(documents: Any, settings: dict[str, Any], complaint: str) -> None:
    usual = {"rows": 2, "length": 16, "start_token": START, "separator": END}
    with pytest.raises(MisuseError, match=complaint):
        NextSentenceObjective(documents, **{**usual, **settings})
    with pytest.raises(MisuseError, match="an empty sentence"):
        sentences_of(tokenizer(), [["It is a truth", ""]])


def test_the_loss_is_binary_cross_entropy_whatever_is_padded() -> None:
    """Against its formula in float64, a row at a time."""
    model = fresh(SequenceClassifier, Config(vocabulary=50, width=16, layers=1, heads=2, max_length=16, labels=2))
    batch = objective()(0)
    expected = 0.0
    for tokens, mask, label in zip(batch.inputs["tokens"], batch.inputs["mask"], batch.targets, strict=True):
        logits = model(tokens[: int(mask.sum())][None])[0].detach().double()
        margin = logits[OTHER] - logits[NEXT]
        expected -= float(torch.nn.functional.logsigmoid(margin if label == OTHER else -margin))
    assert float(total_loss(model, batch).detach()) == pytest.approx(expected, rel=1e-5)


def test_a_core_model_is_asked_with_the_separator_between_two_texts() -> None:
    """So every assertion on labels takes it: its tokenizer frames `A<separator>B` as the objective does."""
    encoder: Any = fresh_model("encoder", layers=1).tokenizer  # puts its end of text round a text
    end: int = encoder.eos_token_id
    texts = [["It is a truth", " universally acknowledged"], ["Emma Woodhouse", " handsome and clever"]]
    batch = NextSentenceObjective(sentences_of(encoder, texts), 8, 64, end, end)(0)
    shape = Config(vocabulary=len(encoder), width=16, layers=1, heads=2, max_length=64, labels=2)
    model = fresh(SequenceClassifier, shape)
    own = model(**batch.inputs).softmax(dim=-1).tolist()
    asked = [f"{a}{encoder.eos_token}{b}" for (a, _), (_, b) in product(texts, texts)]
    labelled = core_model(model, encoder, labels=["next", "other"]).classify(asked)  # type: ignore[union-attr]
    for row in own:
        assert any(pytest.approx(row, rel=1e-5) == [found["next"], found["other"]] for found in labelled)
    assert len({found["next"] for found in labelled}) == 4


def test_a_classifier_learns_what_follows() -> None:
    """Texts of four languages as four documents: no sentence by itself says whether it follows, only both together do."""
    learned, held_out = (sentences_of(tokenizer(), texts) for texts in four_languages())
    objective = NextSentenceObjective(learned, rows=32, length=32, start_token=0, separator=0)
    asked = replace(objective, documents=held_out, rows=300, seed=1)(0)
    model = fresh(SequenceClassifier, Config(vocabulary=2049, width=64, layers=1, heads=4, max_length=64, labels=2))
    assert accuracy(model, asked) < 0.55
    list(Trainer(model, objective, Recipe(steps=60, learning_rate=3e-3, warm_up=10)).run())
    assert_accuracy_above(*predictions(model, asked), 0.6)


def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    shape = Config(vocabulary=50, width=16, layers=1, heads=2, max_length=16, labels=2, segments=2, dropout=0.2)
    recipe = Recipe(steps=4, learning_rate=1e-2)
    whole, stopped, resumed = (
        Trainer(fresh(SequenceClassifier, shape), objective(segments=True), recipe) for _ in range(3)
    )
    losses = list(whole.run())
    first = list(stopped.run(until=2))
    stopped.save(tmp_path / "run.pt")
    resumed.resume(tmp_path / "run.pt")
    assert first + list(resumed.run()) == losses
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
