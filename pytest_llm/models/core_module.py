"""A Transformer of `pytest_llm.transformer`, as the code that measures models of `transformers` wants to see it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.architectures import Seq2SeqLM, TextEmbedder
from pytest_llm.transformer.encoder import Encoder


class CoreModule(nn.Module):
    """The names and signatures of a module of `transformers` round a model of ours.

    Args:
        core: a model of `pytest_llm.transformer`.
        start_token: the token that an encoder-decoder begins with.
        labels: of a classifier or tagger, in the order of its logits.

    Raises:
        MisuseError: more or fewer labels than logits.
    """

    generation_config = None
    """No settings of its own: what ends a text, the tokenizer says."""

    def __init__(self, core: Any, start_token: int | None = None, labels: Sequence[str] | None = None) -> None:
        super().__init__()
        if labels is not None and len(labels) != core.config.labels:
            raise MisuseError(f"{len(labels)} labels for a model with {core.config.labels} logits")
        self.core = core
        self.config = _Stated(core, start_token, labels)

    def restate(self) -> None:
        """Let the configuration say what the core is, after its shape was changed."""
        labels = list(self.config.id2label.values())
        self.config = _Stated(self.core, self.config.decoder_start_token_id, labels)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: Any = None,
        use_cache: bool = False,
    ) -> SimpleNamespace:
        """An object with the attribute `logits`, or `last_hidden_state`. Caching is not needed here, and not offered."""
        if (encoder := _alone(self.core)) is not None:
            return SimpleNamespace(last_hidden_state=encoder(input_ids, attention_mask))
        if decoder_input_ids is None:
            return SimpleNamespace(logits=self.core(input_ids, attention_mask))
        memory = None if encoder_outputs is None else encoder_outputs.last_hidden_state
        logits = self.core(input_ids, decoder_input_ids, source_mask=attention_mask, memory=memory)
        return SimpleNamespace(logits=logits)

    def get_encoder(self) -> Any:
        """A function that reads sources."""

        def encode(input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=self.core.body.encoder(input_ids, attention_mask))

        return encode

    def get_input_embeddings(self) -> nn.Embedding:
        body = _alone(self.core) or self.core.body
        tokens: nn.Embedding = body.embedding.tokens
        return tokens

    def get_output_embeddings(self) -> nn.Linear | None:
        head: nn.Linear | None = None if _alone(self.core) else self.core.head.output
        return head

    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def dtype(self) -> torch.dtype:
        return self.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        return self.get_input_embeddings().weight.device

    def _get_name(self) -> str:
        return type(self.core).__name__


def _alone(core: Any) -> Encoder | None:
    """The encoder of a model that has no head."""
    if isinstance(core, TextEmbedder):
        core = core.body
    return core if isinstance(core, Encoder) else None


class _Stated:
    """A configuration with the names of `transformers`."""

    pad_token_id = 0
    """Any would do: masks say what is padding."""
    problem_type = "single_label_classification"

    def __init__(self, core: Any, start_token: int | None, labels: Sequence[str] | None) -> None:
        names = [f"LABEL_{number}" for number in range(core.config.labels)] if labels is None else labels
        self.id2label = dict(enumerate(names))
        self.num_labels: int = core.config.labels
        self.max_position_embeddings: int = core.config.max_length
        self.is_encoder_decoder = isinstance(core, Seq2SeqLM)
        self.decoder_start_token_id = start_token
        self._own = {"class": type(core).__name__, **dataclasses.asdict(core.config)}

    def get_text_config(self) -> _Stated:
        return self

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dictionary: peft before 0.18 asks so whether embeddings are tied."""
        return getattr(self, name, default)

    def to_json_string(self, *, use_diff: bool) -> str:
        """All of it, as one text that changes with any setting."""
        return json.dumps([self._own, self.decoder_start_token_id, self.id2label])
