"""Each strategy makes a real model better on pages or chapters it has not seen, with p < 0.01: tiny-decoder, of both families."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Choose, Classify, assert_finetuning_improves, assert_no_forgetting, embedded, load_examples
from pytest_llm.finetuning.feed_forward import FeedForward
from pytest_llm.finetuning.full import Full
from pytest_llm.finetuning.layer_wise import LayerWise
from pytest_llm.finetuning.low_rank import LowRank
from pytest_llm.finetuning.prompts import choose_prompt
from pytest_llm.finetuning.soft_prompt import SoftPrompt
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.core_factory import trained_model
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.corpora import Rows, by_cluster, split

LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
WHICH = Classify(LANGUAGES, "{text}\nLanguage:")
NOVEL = load_examples(embedded("data/northanger_abbey.jsonl"))
OPENINGS = [" ".join(chapter.text.split()[:40]) for chapter in NOVEL]

# strategy, family, steps, learning rate
CASES: list[tuple[Strategy, str, int, float]] = [
    (Full(), "core", 20, 5e-4),
    (FeedForward(), "transformers", 20, 5e-4),
    (LayerWise(thawed=0.3), "core", 25, 3e-3),
    (LowRank(rank=8), "transformers", 25, 2e-3),
]


@pytest.mark.parametrize(("strategy", "family", "steps", "rate"), CASES, ids=[type(case[0]).__name__ for case in CASES])
def test_a_tuned_model_tells_languages_apart_on_other_pages(
    strategy: Strategy, family: str, steps: int, rate: float, tiny: TransformersModel
) -> None:
    base: Any = trained_model("decoder") if family == "core" else tiny
    training, held_out = split("languages", list(LANGUAGES), words=8, held_out=2)
    recipe = Recipe(steps=steps, learning_rate=rate, warm_up=3)
    tuned = finetune(base, training, recipe, strategy, task=WHICH, rows=8)
    assert_finetuning_improves(base, tuned.model, held_out, "accuracy", task=WHICH)
    assert_no_forgetting(base, tuned.model, OPENINGS, "perplexity", "40%", on_inconclusive="fail")


@pytest.mark.slow  # what test_adapters.py holds of soft prompts takes no such time
def test_a_soft_prompt_tells_novels_from_manuals() -> None:
    """The model itself is what it was: 3 072 numbers are learned."""
    base: Any = trained_model("decoder")
    sentences: Rows = [
        {"text": text, "target": "novel", "cluster": chapter.id}
        for chapter in NOVEL
        for text in _pieces(chapter.text, count=4, apart=100, length=16)
    ]
    for paragraph in load_examples(embedded("data/terms.jsonl"))[:124]:
        (text,) = _pieces(paragraph.text, count=1, apart=0, length=16)
        sentences.append({"text": text, "target": "manual", "cluster": paragraph.cluster})
    training, held_out = by_cluster(sentences, held_out=2)
    soft, words = SoftPrompt(16), {"novel": "novel", "manual": "manual"}
    asked = Classify(words, f"{{text}}{soft.text}It is from a")
    recipe = Recipe(steps=45, learning_rate=0.1, warm_up=3, weight_decay=0.0)
    tuned = finetune(base, training, recipe, soft, task=asked, rows=12)
    before = Classify(words, "{text}\nIt is from a")
    assert_finetuning_improves(base, tuned.model, held_out, "accuracy", task=asked, before_task=before)


def test_a_prompt_is_found_that_a_model_which_only_read_novels_understands(tiny: TransformersModel) -> None:
    """Which of four goes on? Questions and answers are nothing to it; chosen on one half of the chapters, judged on the other."""
    rows = []
    for number, chapter in enumerate(NOVEL):
        others = [NOVEL[(number + step) % len(NOVEL)].text for step in range(4)]
        for place, text in enumerate(_pieces(chapter.text, count=8, apart=60, length=10)):
            choices = [_pieces(other, count=8, apart=60, length=5, first=10)[place] for other in others]
            right = (number + place) % 4
            choices[0], choices[right] = choices[right], choices[0]
            rows.append({"text": text, "choices": choices, "target": right, "cluster": chapter.id})
    training, held_out = by_cluster(rows, held_out=2)
    templates = ("Question: {text}\nAnswer:", "{text}", "{text}\n")
    found = choose_prompt(tiny, training, [Choose(template) for template in templates], "acc")
    assert_finetuning_improves(tiny, tiny, held_out, "acc", task=found.best, before_task=found.candidates[0])


def _pieces(text: str, *, count: int, apart: int, length: int, first: int = 0) -> list[str]:
    """So many stretches of words."""
    words = text.split()
    return [" ".join(words[apart * number + first :][:length]) for number in range(count)]
