"""What a model of `transformers` predicts, which class of theirs loads it, and which of ours asks it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pytest_llm.models.devices import share_cores

if TYPE_CHECKING:
    from pytest_llm.models.classifier_model import ClassifierModel
    from pytest_llm.models.embedding_model import EmbeddingModel
    from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
    from pytest_llm.models.masked_model import MaskedModel
    from pytest_llm.models.tagger_model import TaggerModel
    from pytest_llm.models.transformers_model import TransformersModel

Pretrained: TypeAlias = (
    "TransformersModel | EncoderDecoderModel | MaskedModel | EmbeddingModel | ClassifierModel | TaggerModel"
)
Kind: TypeAlias = Literal["causal", "encoder-decoder", "masked", "encoder", "classifier", "tagger"]


def kind_of(config: Any, classes: Iterable[str]) -> Kind:
    """What a model predicts, from its configuration and the names of its classes."""
    names = tuple(classes)
    for ending, kind in _HEADS.items():
        if any(name.endswith(ending) for name in names):
            return kind
    if getattr(config, "is_encoder_decoder", False):
        return "encoder-decoder"
    return "encoder" if any(_HEADLESS.fullmatch(name) for name in names) else "causal"


_HEADS: dict[str, Kind] = {
    "ForMaskedLM": "masked",
    "ForSequenceClassification": "classifier",
    "ForTokenClassification": "tagger",
}
_HEADLESS = re.compile("(?!.*(For|LMHead)).*Model")
"""`BertModel`, but neither `BertForMaskedLM` nor `GPT2LMHeadModel`."""


def auto_class(kind: Kind) -> Any:
    """The class of `transformers` that loads it."""
    import transformers

    match kind:
        case "encoder-decoder":
            return transformers.AutoModelForSeq2SeqLM
        case "masked":
            return transformers.AutoModelForMaskedLM
        case "encoder":
            return transformers.AutoModel
        case "classifier":
            return transformers.AutoModelForSequenceClassification
        case "tagger":
            return transformers.AutoModelForTokenClassification
        case "causal":
            return transformers.AutoModelForCausalLM


def wrapped(kind: Kind, module: Any, tokenizer: Any, name: str | None = None, origin: str | None = None) -> Pretrained:
    """The module as what can be measured.

    Args:
        kind: what it predicts.
        module: of `transformers`.
        tokenizer: its own.
        name: what it is called; None: as its configuration says.
        origin: where it was loaded from, whose files say how embeddings are made of it.
    """
    share_cores()
    from pytest_llm.models.classifier_model import ClassifierModel
    from pytest_llm.models.embedding_model import EmbeddingModel, Recipe, recipe_of
    from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
    from pytest_llm.models.masked_model import MaskedModel
    from pytest_llm.models.tagger_model import TaggerModel
    from pytest_llm.models.transformers_model import TransformersModel

    match kind:
        case "encoder-decoder":
            return EncoderDecoderModel(module, tokenizer, name=name)
        case "masked":
            return MaskedModel(module, tokenizer, name=name)
        case "encoder":
            recipe = Recipe() if origin is None else recipe_of(origin)
            return EmbeddingModel(module, tokenizer, name=name, recipe=recipe)
        case "classifier":
            return ClassifierModel(module, tokenizer, name=name)
        case "tagger":
            return TaggerModel(module, tokenizer, name=name)
        case "causal":
            return TransformersModel(module, tokenizer, name=name)
