"""A soft prompt: tokens that stand for no text, whose embeddings are trained while the model stays as it was.

Lester et al. 2021 ("The Power of Scale for Parameter-Efficient Prompt Tuning") put such vectors in front of the input. Here they
become entries of the vocabulary, so that a prompt can name them, and every assertion, cache and file treats the model as any other:

    soft = SoftPrompt(8)
    task = Classify(WORDS, f"{soft.text}{{text}}\\nTopic:")
    tuned = finetune(base, rows, recipe, soft, task=task)

By the library `peft` (trainable tokens), the extra `[finetuning]`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.adapters import added, inject, library, merge
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.core_model import CoreCausalModel, CoreEncoderDecoderModel, core_model
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.encoding import encode_texts
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class SoftPrompt(Strategy):
    """So many new tokens, of a model that reads prompts. Nothing else changes, and without them the model answers as before.

    Nearly: where the head is the embedding, as in most small models, the new tokens get logits, too, and with them a share of the
    probability, as any added token does.

    Raises:
        MisuseError: a length below 1; `peft` is not installed.
    """

    length: int = 8
    start: str = ""
    """Text whose tokens' embeddings they begin with, over and over; empty: those of random tokens."""
    name: str = "soft"
    """Of the tokens; a second soft prompt of one model needs another."""
    seed: int = 0
    """Of the random tokens."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise MisuseError(f"length={self.length}: expected at least one token")

    @property
    def text(self) -> str:
        """What a prompt writes for them."""
        return "".join(self._tokens)

    @property
    def _tokens(self) -> list[str]:
        return [f"<|{self.name}-{number}|>" for number in range(self.length)]

    def attach(self, model: Checkpoint) -> Checkpoint:
        if not isinstance(model, TransformersModel | EncoderDecoderModel):
            raise MisuseError(f"{model.name} reads texts as they are, so that no prompt can name the new tokens")
        peft = library()  # before anything is changed
        known = encode_texts(model.tokenizer, [self.start])[0] if self.start else self._random(model)
        extended = _with_tokens(model, self._tokens)
        embedding = extended.module.get_input_embeddings()
        numbers = extended.tokenizer.convert_tokens_to_ids(self._tokens)
        with torch.no_grad():
            for place, number in enumerate(numbers):
                embedding.weight[number] = embedding.weight[known[place % len(known)]]
        name = next(name for name, part in extended.module.named_modules() if part is embedding)
        inject(extended.module, peft.TrainableTokensConfig(token_indices=numbers, target_modules=[name]), self.seed)
        return extended

    def _random(self, model: Checkpoint) -> list[int]:
        ordinary = sorted(set(range(len(model.tokenizer))) - set(model.tokenizer.all_special_ids))
        order = torch.randperm(len(ordinary), generator=generator_of(self.seed))[: self.length]
        return [ordinary[place] for place in order.tolist()]

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        return added(model.module, "trainable_tokens_delta")

    def detach(self, model: Checkpoint) -> Checkpoint:
        merge(model.module)
        return model


def _with_tokens(model: Checkpoint, texts: list[str]) -> Checkpoint:
    """The model with new entries in its tokenizer and rows in its embedding.

    Raises:
        MisuseError: the tokenizer has one of them already.
    """
    from transformers import AddedToken

    known = set(model.tokenizer.get_vocab()) & set(texts)
    if known:
        raise MisuseError(
            f"the tokenizer of {model.name} has {sorted(known)[0]!r} already: give the soft prompt another name"
        )
    new: Any = [AddedToken(text, special=True, normalized=False) for text in texts]
    model.tokenizer.add_tokens(new, special_tokens=True)
    rows = len(model.tokenizer)
    if rows <= model.module.get_input_embeddings().weight.shape[0]:
        return model
    if isinstance(model, CoreCausalModel | CoreEncoderDecoderModel):
        return core_model(_enlarged(model.core, rows), model.tokenizer, name=model.name)
    model.module.resize_token_embeddings(rows, mean_resizing=False)
    return model


def _enlarged(core: nn.Module, rows: int) -> nn.Module:
    """A model of ours with a larger vocabulary; what is new is zero."""
    own: Any = core
    larger = type(own)(dataclasses.replace(own.config, vocabulary=rows)).to(own.body.embedding.tokens.weight)
    state = own.state_dict()
    for name, tensor in larger.state_dict().items():
        tensor.zero_()
        tensor[tuple(slice(size) for size in state[name].shape)] = state[name]
    return larger.eval()  # type: ignore[no-any-return]
