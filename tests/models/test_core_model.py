"""Models of `pytest_llm.transformer` under the plugin's assertions: the numbers of the model that the weights are from."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, BertForTokenClassification

from pytest_llm import (
    assert_accuracy_above,
    assert_conditional_perplexity_below,
    assert_mean_kld_below,
    assert_perplexity_below,
    assert_pseudo_perplexity_below,
    embedded,
    load_examples,
)
from pytest_llm.errors import MisuseError
from pytest_llm.models.core_model import (
    CoreCausalModel,
    CoreClassifierModel,
    CoreEncoderDecoderModel,
    CoreMaskedModel,
    CoreTaggerModel,
    core_model,
    load_core_model,
)
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.language_model import Window, identity
from pytest_llm.models.loading import as_language_model
from pytest_llm.models.sources import minilm_folder
from pytest_llm.models.tagger_model import TaggerModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.transformer.architectures import TextEmbedder
from pytest_llm.transformer.attention import attention_formula, use_attention
from pytest_llm.transformer.weights.published import from_published
from tests.tiny_checkpoints import TEXTS, tiny_bart, tiny_bert
from tests.transformer.agreement import core_of
from tests.transformer.test_bert import tiny_bert as seeded_bert

HELD_OUT = [example.text for example in load_examples(embedded("data/held_out.jsonl"))][:6]
PAIRS = [
    {"text": TEXTS[0], "target": TEXTS[3]},
    {"text": TEXTS[1], "target": TEXTS[0]},
    {"text": TEXTS[3], "target": TEXTS[1]},
]
PROMPTS = ["It is a truth", "Catherine", "Mr. Tilney had a house in the country, with a large garden, and", "x"]


@pytest.fixture(scope="module")
def core() -> CoreCausalModel:
    """The shipped tiny-decoder, carried by our Transformer."""
    model = load_core_model(embedded("models/tiny-decoder"))
    assert isinstance(model, CoreCausalModel)
    return model


def test_perplexity_is_that_of_transformers(core: CoreCausalModel, tiny: TransformersModel) -> None:
    measured = assert_perplexity_below(core, HELD_OUT, 100)
    assert measured.value == pytest.approx(assert_perplexity_below(tiny, HELD_OUT, 100).value, rel=1e-5)
    assert str(measured.provenance).startswith("tiny-decoder (CausalLM, 1.574 M parameters), float32 on cpu")


@pytest.mark.slow  # an example compares the distributions of both
@pytest.mark.smollm2
def test_perplexity_of_smollm2_is_that_of_transformers(smollm2: TransformersModel) -> None:
    config = smollm2.module.config.to_dict()
    module: Any = from_published(config, smollm2.module.state_dict(), architecture="LlamaForCausalLM")
    texts = [" ".join(text.split()[:40]) for text in HELD_OUT[:3]]
    expected = assert_perplexity_below(smollm2, texts, 100).value
    assert assert_perplexity_below((module, smollm2.tokenizer), texts, 100).value == pytest.approx(expected, rel=1e-4)
    decoding = Decoding(max_tokens=8)
    ours = CoreCausalModel(module, smollm2.tokenizer)
    assert ours.generate([PROMPTS[0]], decoding) == smollm2.generate([PROMPTS[0]], decoding)


def test_distributions_are_those_of_transformers(core: CoreCausalModel, tiny: TransformersModel) -> None:
    measured = assert_mean_kld_below(core, HELD_OUT[:2], 1e-6, reference=tiny)
    assert measured.value >= -1e-9


def test_continuations_are_scored_as_by_transformers(core: CoreCausalModel, tiny: TransformersModel) -> None:
    pairs = [("Catherine was", " very happy"), ("", "It is a truth"), ("Catherine was", " not")]
    for found, expected in zip(core.score_pairs(pairs), tiny.score_pairs(pairs), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "decoding",
    [Decoding(max_tokens=12), Decoding(max_tokens=12, stop=(",",)), Decoding(max_tokens=8, beams=3)],
    ids=["greedy", "stop", "beams"],
)
def test_what_it_writes_is_what_transformers_writes(
    core: CoreCausalModel, tiny: TransformersModel, decoding: Decoding
) -> None:
    assert core.generate(PROMPTS, decoding) == tiny.generate(PROMPTS, decoding)


def test_what_is_drawn_for_a_prompt_does_not_depend_on_the_others(core: CoreCausalModel) -> None:
    decoding = Decoding(max_tokens=12, temperature=0.8, top_k=50, seed=3)
    together = core.generate(PROMPTS, decoding)
    assert core.generate(PROMPTS[2:3], decoding) == together[2:3]
    assert core.generate(PROMPTS, Decoding(max_tokens=12, temperature=0.8, top_k=50, seed=4)) != together


@pytest.mark.parametrize("beams", [1, 3])
def test_each_token_is_announced(core: CoreCausalModel, beams: int) -> None:
    heard: list[int] = []
    text = core.write_alone("It is a truth", Decoding(max_tokens=7, beams=beams), lambda: heard.append(1))
    assert len(heard) == 7
    assert text == core.generate(["It is a truth"], Decoding(max_tokens=7, beams=beams))[0]


def test_it_knows_itself_again(core: CoreCausalModel) -> None:
    """Equal answers may be remembered; another kernel or an edited weight makes it another model."""
    before = core.fingerprint()
    assert before == core.fingerprint()
    assert identity(core).weights
    use_attention(core.core, attention_formula)
    assert core.fingerprint() != before


def test_it_can_be_copied_and_sent_to_another_process(core: CoreCausalModel) -> None:
    expected = core.score_windows([Window((0, 5, 9, 30), 3)])[0]
    for twin in (copy.deepcopy(core), pickle.loads(pickle.dumps(core))):
        np.testing.assert_array_equal(twin.score_windows([Window((0, 5, 9, 30), 3)])[0], expected)


def test_masked_tokens_are_predicted_as_by_transformers() -> None:
    published, tokenizer = tiny_bert()
    core = core_of(published)
    expected = assert_pseudo_perplexity_below((published, tokenizer), TEXTS, 1e9).value
    assert assert_pseudo_perplexity_below((core, tokenizer), TEXTS, 1e9).value == pytest.approx(expected, rel=1e-4)
    assert isinstance(as_language_model((core, tokenizer)), CoreMaskedModel)


def test_targets_are_scored_and_written_as_by_transformers() -> None:
    published, tokenizer = tiny_bart()
    model = CoreEncoderDecoderModel(core_of(published), tokenizer)
    expected = assert_conditional_perplexity_below((published, tokenizer), PAIRS, 1e9).value
    assert assert_conditional_perplexity_below(model, PAIRS, 1e9).value == pytest.approx(expected, rel=1e-4)
    sources = [row["text"] for row in PAIRS]
    for beams in (1, 2):
        written = model.generate(sources, Decoding(max_tokens=6, beams=beams))
        for source, text in zip(sources, written, strict=True):
            tokens = published.generate(
                tokenizer(source, return_tensors="pt").input_ids,
                decoder_input_ids=torch.tensor([[tokenizer.eos_token_id, tokenizer.bos_token_id]]),
                max_new_tokens=6,
                num_beams=beams,
                do_sample=False,
            )
            assert text == tokenizer.decode(tokens[0, 2:], skip_special_tokens=True, clean_up_tokenization_spaces=False)


def test_labels_are_those_of_transformers() -> None:
    _, tokenizer = tiny_bert()
    published = seeded_bert(BertForSequenceClassification, vocab_size=len(tokenizer))
    model = CoreClassifierModel(core_of(published), tokenizer)
    with torch.inference_mode():
        texts = TEXTS[2:4]
        logits = [published(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    for found, row in zip(model.classify(texts), logits, strict=True):
        assert list(found.values()) == pytest.approx(row.softmax(dim=0).tolist(), abs=1e-5)
    rows = [{"text": text, "target": int(row.argmax())} for text, row in zip(texts, logits, strict=True)]
    assert assert_accuracy_above(model, rows, 0.5).value == 1


def test_labels_have_the_names_that_are_given() -> None:
    _, tokenizer = tiny_bert()
    core = core_of(seeded_bert(BertForSequenceClassification, vocab_size=len(tokenizer)))
    (answer,) = CoreClassifierModel(core, tokenizer, labels=["good", "bad", "ugly"]).classify(TEXTS[3:4])
    assert list(answer) == ["good", "bad", "ugly"]
    with pytest.raises(MisuseError, match="2 labels for a model with 3 logits"):
        core_model(core, tokenizer, labels=["good", "bad"])


def test_entities_are_those_of_transformers() -> None:
    _, tokenizer = tiny_bert()
    names = ["I-PERSON", "B-PERSON", "I-PLACE"]
    published = seeded_bert(
        BertForTokenClassification,
        vocab_size=len(tokenizer),
        id2label=dict(enumerate(names)),
        max_position_embeddings=128,
    )
    found = CoreTaggerModel(core_of(published), tokenizer, labels=names).extract(TEXTS)
    assert found == TaggerModel(published, tokenizer).extract(TEXTS)
    assert any(found)


@pytest.mark.minilm
def test_embeddings_are_those_of_transformers(minilm: EmbeddingModel) -> None:
    core: Any = load_core_model(minilm_folder())
    for found, expected in zip(core.embed(TEXTS), minilm.embed(TEXTS), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    embedder: Any = core_model(TextEmbedder.of(core.core), core.tokenizer)
    np.testing.assert_allclose(embedder.embed(TEXTS[:1])[0], minilm.embed(TEXTS[:1])[0], atol=1e-5)


def test_a_core_comes_with_its_tokenizer(core: CoreCausalModel) -> None:
    alone: Any = core.core
    with pytest.raises(MisuseError, match="CausalLM came without its tokenizer"):
        as_language_model(alone)
    with pytest.raises(MisuseError, match="Decoder predicts nothing that an assertion can ask"):
        core_model(alone.body, core.tokenizer)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    published, _ = tiny_bert()
    _, other = tiny_bart()
    with pytest.raises(MisuseError, match="they do not belong together"):
        core_model(core_of(published), other)
