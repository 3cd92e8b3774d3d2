"""Low-rank adapters and soft prompts, of both families: what they train, that nothing else moves, that a plain model is left."""

from __future__ import annotations

import copy
import sys
from typing import Any

import pytest
import torch

from pytest_llm import Classify, MisuseError, measure
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.low_rank import LowRank
from pytest_llm.finetuning.soft_prompt import SoftPrompt
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.loading import as_language_model
from pytest_llm.pretraining.trainer import Recipe
from tests.tiny_checkpoints import TEXTS, tiny_bart, tiny_bert, tiny_gpt2, tiny_llama

SHORT = [text[:20] for text in TEXTS]
ROWS = [{"text": text, "target": label} for text, label in zip(SHORT, "ababb", strict=True)]
WORDS = {"a": "Austen", "b": "Bront"}
BY = Classify(WORDS, "{text}\nBy:")
FEW = Recipe(steps=4, learning_rate=1e-2)
FAMILIES: dict[str, Any] = {
    "core": lambda: fresh_model("decoder"),
    "core, encoder-decoder": lambda: fresh_model("encoder-decoder"),
    "llama": lambda: as_language_model(tiny_llama()),
    "gpt2": lambda: as_language_model(tiny_gpt2(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)),
    "bart": lambda: as_language_model(tiny_bart(dropout=0.0)),
}
EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES)


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.module.named_parameters()}


def logits(model: Any) -> torch.Tensor:
    tokens = torch.arange(5, 17).view(2, 6)
    more = {"decoder_input_ids": tokens.flip(1)} if model.module.config.is_encoder_decoder else {}
    with torch.inference_mode():
        answer: torch.Tensor = model.module(input_ids=tokens, **more).logits
    return answer


@EVERY_FAMILY
def test_low_rank_adapters_change_the_matrices_of_layers_and_leave_a_plain_model(family: str) -> None:
    base = FAMILIES[family]()
    before = state(base)
    tuned = finetune(base, ROWS, FEW, LowRank(rank=2), task=BY, rows=5)
    after = state(tuned.model)
    assert list(after) == list(before)
    moved = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    trained = {name.partition(".lora_")[0] + ".weight" for name in tuned.trained.names}
    assert moved == trained
    for name in moved:
        assert torch.linalg.matrix_rank((after[name] - before[name]).double(), rtol=1e-4) <= 2
    assert tuned.trained.count == sum(2 * sum(before[name].shape) for name in moved)
    assert tuned.trained.total == sum(map(torch.numel, before.values())) + tuned.trained.count
    assert tuned.losses[-1] < tuned.losses[0]
    assert type(tuned.model) is type(base)


def test_an_adapter_begins_as_no_change_and_merges_to_what_it_computed() -> None:
    base = FAMILIES["llama"]()
    strategy = LowRank(rank=3, alpha=7)
    own = strategy.attach(copy.deepcopy(base))
    torch.testing.assert_close(logits(own), logits(base))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in own.module.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.3, generator=generator)
    before = logits(own)
    assert not torch.allclose(before, logits(base), atol=1e-2)
    name = "model.layers.1.mlp.up_proj"
    layer = own.module.get_submodule(name)
    by_hand = layer.base_layer.weight + 7 / 3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    by_hand = by_hand.detach().clone()
    merged = strategy.detach(own)
    torch.testing.assert_close(merged.module.get_parameter(f"{name}.weight").detach(), by_hand)
    torch.testing.assert_close(logits(merged), before, atol=1e-4, rtol=1e-4)


def test_the_head_of_a_classifier_is_trained_in_full_beside_its_adapters() -> None:
    for base in (classifier_of(fresh_model("encoder"), "ab"), classifier_of(tiny_bert(), "ab")):
        tuned = finetune(base, ROWS, FEW, LowRank(rank=2), rows=5)
        head = [name for name in tuned.trained.names if "lora_" not in name]
        assert len(head) == 4  # two layers with biases
        assert measure(tuned.model, ROWS, "accuracy").n == 5


def test_without_peft_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MisuseError, match=r"pip install 'pytest-llm-regression\[finetuning\]'"):
        finetune(fresh_model("decoder"), ROWS, FEW, LowRank(), task=BY)


@EVERY_FAMILY
def test_a_soft_prompt_learns_its_vectors_and_leaves_all_else_alone(family: str) -> None:
    base, soft = FAMILIES[family](), SoftPrompt(3)
    asked = Classify(WORDS, f"{soft.text}{{text}}\nBy:")
    tuned = finetune(base, ROWS, FEW, soft, task=asked, rows=5)
    width = base.module.get_input_embeddings().weight.shape[1]
    assert tuned.trained.count == 3 * width
    assert tuned.trained.total == sum(parameter.numel() for parameter in base.module.parameters()) + 3 * width
    assert tuned.losses[-1] < tuned.losses[0]
    new = tuned.model.tokenizer.convert_tokens_to_ids([f"<|soft-{number}|>" for number in range(3)])
    assert tuned.model.tokenizer(soft.text, add_special_tokens=False)["input_ids"] == new
    assert len(tuned.model.tokenizer) == len(base.tokenizer) + 3
    assert torch.equal(logits(tuned.model), logits(base))  # also where the head is the embedding
    plain = measure(base, ROWS, "accuracy", task=BY)
    assert measure(tuned.model, ROWS, "accuracy", task=BY).outputs == plain.outputs
    assert measure(tuned.model, ROWS, "accuracy", task=asked).outputs != plain.outputs


def test_a_model_with_a_soft_prompt_is_scored_as_one_that_reads_its_vectors() -> None:
    """Packed or not, in one row or many: against the model's own forward on embeddings."""
    base, soft = FAMILIES["llama"](), SoftPrompt(2)
    tuned = finetune(base, ROWS, FEW, soft, task=Classify(WORDS, f"{soft.text}{{text}}\nBy:"), rows=5).model
    embedding = base.module.get_input_embeddings()
    (answer,) = tuned.score_pairs([(f"{soft.text}It is", " a truth")])
    before, after = (base.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("It is", " a truth"))
    start = embedding(torch.tensor([base.tokenizer.bos_token_id]))
    vectors = tuned.module.get_input_embeddings().vectors
    with torch.inference_mode():
        read = torch.cat([start, vectors, embedding(torch.tensor([*before, *after]))])
        found = base.module(inputs_embeds=read[None]).logits[0].log_softmax(dim=-1)
    places = range(len(read) - len(after) - 1, len(read) - 1)
    assert answer == pytest.approx(
        [float(found[place, token]) for place, token in zip(places, after, strict=True)], rel=1e-4
    )


def test_a_soft_prompt_begins_with_the_embeddings_of_its_text() -> None:
    base = FAMILIES["llama"]()
    tuned = finetune(base, ROWS, Recipe(steps=1, learning_rate=0.0), SoftPrompt(4, start="It is"), task=BY, rows=2)
    known = base.tokenizer("It is", add_special_tokens=False)["input_ids"]
    embedding = tuned.model.module.get_input_embeddings()
    wanted = [known[place % len(known)] for place in range(4)]
    torch.testing.assert_close(embedding.vectors, embedding.weight[wanted])


def test_a_second_soft_prompt_needs_a_name_of_its_own_and_leaves_the_first_alone() -> None:
    first = finetune(FAMILIES["core"](), ROWS, FEW, SoftPrompt(2), task=BY)
    with pytest.raises(MisuseError, match=r"has '<\|soft-0\|>' already"):
        finetune(first.model, ROWS, FEW, SoftPrompt(2), task=BY)
    other = SoftPrompt(3, name="other")
    second = finetune(first.model, ROWS, FEW, other, task=Classify(WORDS, f"{other.text}{{text}}\nBy:"))
    asked = Classify(WORDS, f"{SoftPrompt(2).text}{{text}}\nBy:")
    assert second.trained.count == 3 * 64
    assert (
        measure(second.model, ROWS, "accuracy", task=asked).outputs
        == measure(first.model, ROWS, "accuracy", task=asked).outputs
    )


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(MisuseError, match="rank=0"):
        LowRank(rank=0)
    with pytest.raises(MisuseError, match="length=0"):
        SoftPrompt(0)
    with pytest.raises(MisuseError, match="reads texts as they are"):
        finetune(classifier_of(fresh_model("encoder"), "ab"), ROWS, FEW, SoftPrompt())
