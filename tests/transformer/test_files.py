"""Models in folders: what is saved comes back bit by bit, published checkpoints are read, damage is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.models.sources import minilm_folder
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.transformer.architectures import CausalLM, MaskedLM, Seq2SeqLM, SequenceClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from pytest_llm.transformer.weights.files import load, save
from tests.transformer.agreement import LOGITS, rows
from tests.transformer.test_bart import tiny_bart

CONFIG = Config(vocabulary=20, width=8, layers=2, heads=2, max_length=16, labels=3)


@pytest.mark.parametrize("kind", [CausalLM, MaskedLM, Seq2SeqLM, SequenceClassifier])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_saved_comes_back(kind: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    model = fresh(kind, CONFIG).to(dtype)
    again = load(save(model, tmp_path / "model"))
    assert type(again) is kind
    assert again.config == CONFIG
    assert not again.training
    assert all(torch.equal(mine, its) for mine, its in zip(model.parameters(), again.parameters(), strict=True))
    assert {parameter.dtype for parameter in again.parameters()} == {dtype}


def test_tied_embeddings_stay_tied(tmp_path: Path) -> None:
    again: Any = load(save(fresh(CausalLM, CONFIG), tmp_path))
    assert again.head.output.weight is again.body.embedding.tokens.weight


def test_the_shipped_checkpoint_is_read_from_its_folder(tiny: TransformersModel) -> None:
    core = load(embedded("models/tiny-decoder"))
    tokens, _ = rows(2048, [12], "right")
    with torch.inference_mode():
        assert float((core(tokens) - tiny.module(tokens).logits).abs().max()) < LOGITS


def test_a_published_checkpoint_in_several_files_is_read(tmp_path: Path) -> None:
    published = tiny_bart()
    published.save_pretrained(tmp_path, max_shard_size="8KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    core = load(tmp_path)
    source, _ = rows(50, [5], "right")
    with torch.inference_mode():
        expected = published(source, decoder_input_ids=source).logits
        assert float((core(source, source) - expected).abs().max()) < LOGITS


@pytest.mark.minilm
def test_minilm_is_read_from_its_folder() -> None:
    assert type(load(minilm_folder())).__name__ == "Encoder"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no configuration in"),
        (lambda folder: (folder / "config.json").write_text("{"), "no configuration in"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights can be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"abc"), "no weights can be read"),
        (lambda folder: _state(folder, colour="blue"), "written by another version"),
        (lambda folder: _state(folder, layers=1), "no place for: body.layers.1"),
    ],
)
def test_damage_is_named(damage: Any, complaint: str, tmp_path: Path) -> None:
    save(fresh(CausalLM, CONFIG), tmp_path)
    damage(tmp_path)
    with pytest.raises(MisuseError, match=complaint):
        load(tmp_path)


def _state(folder: Path, **settings: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def test_what_is_no_model_of_ours_is_not_saved(tmp_path: Path) -> None:
    layer: Any = torch.nn.Linear(2, 2)
    layer.config = CONFIG
    with pytest.raises(MisuseError, match="Linear is no model of"):
        save(layer, tmp_path)


def test_a_seed_gives_the_same_weights_and_touches_no_other_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    models: list[Any] = [fresh(CausalLM, CONFIG, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [model.body.layers[1].feed_forward.up.weight for model in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert float(models[0].body.embedding.tokens.weight.detach().std()) == pytest.approx(0.02, rel=0.2)
    assert float(models[0].body.layers[0].attention.output.weight.detach().std()) == pytest.approx(0.01, rel=0.3)
