"""Embeddings, held against the code that the cards of sentence-transformers' models print; what their folders say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import Encoder, MisuseError, load_model
from pytest_llm.models.embedding_model import EmbeddingModel, Pooling, Recipe, recipe_of
from pytest_llm.models.loading import as_language_model
from pytest_llm.models.sources import minilm_folder
from pytest_llm.statistics.jackknife import FloatArray
from tests.tiny_checkpoints import TEXTS, headless, tiny_bert, tiny_distilbert, tiny_roberta

MAKERS = [tiny_bert, tiny_roberta, tiny_distilbert]
Maker = Callable[..., tuple[Any, Any]]
LONG = " ".join(TEXTS * 8)


def documented(module: Any, tokenizer: Any, texts: list[str], longest: int = 128) -> FloatArray:
    """`mean_pooling` of the model card of all-MiniLM-L6-v2, without its last step, which makes all vectors 1 long."""
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        token_embeddings = module(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1).expand(token_embeddings.size()).float()
    pooled = torch.sum(token_embeddings * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    return np.asarray(pooled.double())


@pytest.mark.parametrize("make", MAKERS)
def test_the_mean_is_that_over_the_attention_mask_of_a_padded_batch(make: Maker) -> None:
    module, tokenizer = headless(make)
    found = EmbeddingModel(module, tokenizer).embed(TEXTS)
    np.testing.assert_allclose(np.stack(found), documented(module, tokenizer, TEXTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_a_text_does_not_depend_on_those_beside_it(make: Maker) -> None:
    model = EmbeddingModel(*headless(make))
    together = model.embed([*TEXTS, TEXTS[0]])
    for text, vector in zip([*TEXTS, TEXTS[0]], together, strict=True):
        np.testing.assert_allclose(vector, model.embed([text])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("pooling", "place"), [("cls", 0), ("last", -1)])
def test_one_token_may_stand_for_the_text(pooling: Pooling, place: int) -> None:
    module, tokenizer = headless(tiny_bert)
    (found,) = EmbeddingModel(module, tokenizer, recipe=Recipe(pooling)).embed(TEXTS[:1])
    with torch.no_grad():
        hidden = module(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0]
    np.testing.assert_allclose(found, hidden[place].double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("longest", [None, 20])
def test_the_end_of_a_long_text_is_left_out_only_if_that_is_asked_for(make: Maker, longest: int | None) -> None:
    module, tokenizer = headless(make)
    model = EmbeddingModel(module, tokenizer, recipe=Recipe(longest=longest))
    with pytest.raises(
        MisuseError, match=rf"1 of 2 texts are longer than the {longest or 128} tokens .* truncate=True"
    ):
        model.embed([TEXTS[3], LONG])
    found = model.embed([TEXTS[3], LONG], truncate=True)
    expected = documented(module, tokenizer, [TEXTS[3], LONG], longest or 128)
    np.testing.assert_allclose(np.stack(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_an_encoder_without_a_head_is_loaded_as_what_it_is(make: Maker, tmp_path: Path) -> None:
    module, tokenizer = headless(make)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, paired = load_model(tmp_path, device="cpu"), as_language_model((module, tokenizer))
    for model in (loaded, paired):
        assert isinstance(model, EmbeddingModel)
        assert isinstance(model, Encoder)
        np.testing.assert_allclose(model.embed(TEXTS[:1])[0], documented(module, tokenizer, TEXTS[:1])[0], rtol=1e-4)


def folder_of(path: Path, modes: dict[str, bool], steps: list[str], longest: int | None = None) -> str:
    """What sentence-transformers writes beside the weights."""
    places = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [{"path": places.get(step, step), "type": f"sentence_transformers.models.{step}"} for step in steps]
    (path / "1_Pooling").mkdir()
    (path / "modules.json").write_text(json.dumps(modules))
    (path / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **modes}))
    (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest}))
    return str(path)


@pytest.mark.parametrize("chosen", ["mean", "cls", "last"])
def test_a_folder_says_how_its_embeddings_are_made(tmp_path: Path, chosen: Pooling) -> None:
    names = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    modes = {f"pooling_mode_{name}": pooling == chosen for pooling, name in names.items()}
    folder = folder_of(tmp_path, modes, ["Transformer", "Pooling", "Normalize"], 64)
    assert recipe_of(folder) == Recipe(chosen, 64)


def test_without_a_word_of_it_the_mean_is_taken(tmp_path: Path) -> None:
    assert recipe_of(str(tmp_path)) == Recipe("mean", None)


@pytest.mark.parametrize(
    ("modes", "steps", "message"),
    [
        (
            {"pooling_mode_max_tokens": True},
            ["Transformer", "Pooling"],
            "asks for pooling_mode_max_tokens; known is one",
        ),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            ["Transformer", "Pooling"],
            "asks for pooling_mode_mean_tokens and pooling_mode_cls_token",
        ),
        ({}, ["Transformer", "Pooling"], "asks for no pooling"),
        (
            {"pooling_mode_mean_tokens": True},
            ["Transformer", "Pooling", "Dense"],
            "makes its embeddings with sentence_transformers.models.Dense, which is not known here",
        ),
    ],
)
def test_what_is_not_known_here_is_refused(
    tmp_path: Path, modes: dict[str, bool], steps: list[str], message: str
) -> None:
    with pytest.raises(MisuseError, match=message):
        recipe_of(folder_of(tmp_path, modes, steps))


def test_another_way_of_pooling_is_another_model() -> None:
    module, tokenizer = headless(tiny_bert)
    recipes = [Recipe(), Recipe("cls"), Recipe(longest=20)]
    models = [EmbeddingModel(module, tokenizer, recipe=recipe) for recipe in recipes]
    assert len({model.fingerprint() for model in models}) == 3
    assert len({model.cache_key() for model in models} - {None}) == 3  # for answers on disk too
    assert "cls pooling of 128 tokens at most" in models[1].provenance.model


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(MisuseError, match="has no tokens to be read"):
        EmbeddingModel(*headless(tiny_bert)).embed(["\n"])


@pytest.mark.minilm
def test_minilm_embeds_as_its_card_says(minilm: EmbeddingModel) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = minilm_folder()
    texts = ["This is an example sentence", "Each sentence is converted", " ".join(TEXTS * 5)]
    module, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    expected = documented(module.eval(), tokenizer, texts, 256)
    np.testing.assert_allclose(np.stack(minilm.embed(texts, truncate=True)), expected, rtol=1e-4, atol=1e-5)
    assert minilm.recipe == Recipe("mean", 256)
    assert minilm.provenance.model.startswith("all-MiniLM-L6-v2 (BertModel, 22.71 M parameters), mean pooling of 256")
