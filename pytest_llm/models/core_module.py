"""A Transformer of `pytest_llm.transformer`, as the code that measures models of `transformers` wants to see it."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.transformer.architectures import Seq2SeqLM


class CoreModule(nn.Module):
    """The names and signatures of a module of `transformers` round a model of ours.

    Args:
        core: a `CausalLM`, `MaskedLM` or `Seq2SeqLM`.
        start_token: the token that an encoder-decoder begins with.
    """

    generation_config = None
    """No settings of its own: what ends a text, the tokenizer says."""

    def __init__(self, core: Any, start_token: int | None = None) -> None:
        super().__init__()
        self.core = core
        self.config = _Stated(core, start_token)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: Any = None,
        use_cache: bool = False,
    ) -> SimpleNamespace:
        """An object with the attribute `logits`. Caching is not needed here, and not offered."""
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
        tokens: nn.Embedding = self.core.body.embedding.tokens
        return tokens

    def get_output_embeddings(self) -> nn.Linear:
        head: nn.Linear = self.core.head.output
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


class _Stated:
    """A configuration with the names of `transformers`."""

    def __init__(self, core: Any, start_token: int | None) -> None:
        self.max_position_embeddings: int = core.config.max_length
        self.is_encoder_decoder = isinstance(core, Seq2SeqLM)
        self.decoder_start_token_id = start_token
        self._own = {"class": type(core).__name__, **dataclasses.asdict(core.config)}

    def get_text_config(self) -> _Stated:
        return self

    def to_json_string(self, *, use_diff: bool) -> str:
        """All of it, as one text that changes with any setting."""
        return json.dumps([self._own, self.decoder_start_token_id, self.max_position_embeddings])
