"""Which family a published checkpoint belongs to, and the model of ours that takes its weights.

Only the configuration (`config.json` as a mapping) and the tensors by name are needed; `transformers` is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.architectures import CausalLM, MaskedLM, Seq2SeqLM, SequenceClassifier, TokenClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.decoder import Decoder
from pytest_llm.transformer.encoder import Encoder
from pytest_llm.transformer.encoder_decoder import EncoderDecoder
from pytest_llm.transformer.weights import bart, bert, gpt2, llama
from pytest_llm.transformer.weights.names import filled

ARCHITECTURES: dict[str, tuple[ModuleType, type[nn.Module]]] = {
    "LlamaForCausalLM": (llama, CausalLM),
    "LlamaModel": (llama, Decoder),
    "GPT2LMHeadModel": (gpt2, CausalLM),
    "GPT2Model": (gpt2, Decoder),
    "BertForMaskedLM": (bert, MaskedLM),
    "BertForSequenceClassification": (bert, SequenceClassifier),
    "BertForTokenClassification": (bert, TokenClassifier),
    "BertModel": (bert, Encoder),
    "BartForConditionalGeneration": (bart, Seq2SeqLM),
    "BartModel": (bart, EncoderDecoder),
}
"""The name in `architectures` of a config.json, how to read it, and what it is here."""


def from_published(
    config: Mapping[str, Any], state: Mapping[str, Tensor], *, architecture: str | None = None
) -> nn.Module:
    """A model of ours with the weights of a published one, in their type, in evaluation mode.

    Args:
        config: what its `config.json` says.
        state: its tensors by name; they are copied.
        architecture: the name of its class, such as "LlamaForCausalLM"; by default the configuration says it.

    Raises:
        MisuseError: a family or a setting that is not supported, tensors that are missing or left over.
    """
    name = architecture or next(iter(config.get("architectures") or ()), None)
    if name not in ARCHITECTURES:
        raise MisuseError(f"no model here takes the weights of {name}; known are {', '.join(ARCHITECTURES)}")
    family, kind = ARCHITECTURES[name]
    own: Config = family.config_of(config)
    own_state = family.state_of(state, own)
    if kind not in (Encoder, Decoder, EncoderDecoder):
        own_state = {name if name.startswith("head.") else f"body.{name}": tensor for name, tensor in own_state.items()}
    return filled(kind, own, own_state).eval()
