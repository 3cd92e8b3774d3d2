"""A soft prompt: vectors that stand for no text are learned, and everything that the model was stays as it was.

Lester et al. 2021 ("The Power of Scale for Parameter-Efficient Prompt Tuning"). Each vector gets a token of its own, so that a
prompt can name it, and every assertion asks the model as any other:

    soft = SoftPrompt(8)
    task = Classify(WORDS, f"{soft.text}{{text}}\\nTopic:")
    tuned = finetune(base, rows, recipe, soft, task=task)

The tokens are read and never written: the head has no entry for them, so that on texts without them no logit changes. (`peft` puts
virtual tokens in front of every input, which shifts all positions; its trainable tokens are rows of the embedding, and where the
head is the embedding, as in most small models, they take probability from all other tokens.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.encoding import encode_texts
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class SoftPrompt(Strategy):
    """So many vectors in front of what a prompt says, of a model that reads prompts.

    The module and the tokenizer belong together from then on; a checkpoint folder cannot hold them, the module's
    `state_dict` does.

    Raises:
        MisuseError: a length below 1.
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
        embedding = model.module.get_input_embeddings()
        known = encode_texts(model.tokenizer, [self.start])[0] if self.start else self._random(model)
        chosen = [known[place % len(known)] for place in range(self.length)]
        with torch.no_grad():
            vectors = nn.Parameter(embedding(torch.tensor(chosen, device=model.device)).clone())
        first = _new_tokens(model, self._tokens)
        _replace(model.module, embedding.weight, first, vectors)
        return model

    def _random(self, model: Checkpoint) -> list[int]:
        ordinary = sorted(set(range(len(model.tokenizer))) - set(model.tokenizer.all_special_ids))
        order = torch.randperm(len(ordinary), generator=generator_of(self.seed))[: self.length]
        return [ordinary[place] for place in order.tolist()]

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        first = model.tokenizer.convert_tokens_to_ids(self._tokens[0])
        return [
            ParameterGroup((f"{name}.vectors",))
            for name, part in model.module.named_modules()
            if isinstance(part, WithSoftTokens) and part.first == first
        ][:1]  # an encoder and its decoder share them


class WithSoftTokens(nn.Module):
    """An embedding in which some numbers stand for vectors of their own.

    Args:
        inner: the embedding of all other tokens.
        first: the number of the first of them; the others follow.
        vectors: `[tokens, width]`.
    """

    def __init__(self, inner: nn.Module, first: int, vectors: nn.Parameter) -> None:
        super().__init__()
        self.inner, self.first, self.vectors = inner, first, vectors

    def forward(self, tokens: Tensor) -> Tensor:
        """`[batch, length]` to `[batch, length, width]`."""
        own = (tokens >= self.first) & (tokens < self.first + len(self.vectors))
        others: Tensor = self.inner(tokens.masked_fill(own, 0))
        return torch.where(own[..., None], self.vectors[(tokens - self.first).where(own, 0)], others)

    @property
    def weight(self) -> Tensor:
        """Of the inner embedding: the soft tokens are no part of it."""
        weight: Any = self.inner.weight
        return weight  # type: ignore[no-any-return]


def _new_tokens(model: Checkpoint, texts: list[str]) -> int:
    """Give each a number in the tokenizer; the first of these numbers.

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
    first: int = model.tokenizer.convert_tokens_to_ids(texts[0])
    return first


def _replace(module: nn.Module, weight: Tensor, first: int, vectors: nn.Parameter) -> None:
    """Put the soft tokens into every embedding that has this matrix: an encoder and its decoder may each have one."""
    made: dict[nn.Module, WithSoftTokens] = {}
    for name, part in list(module.named_modules(remove_duplicate=False)):
        above, _, own = name.rpartition(".")
        if isinstance(part, nn.Embedding | WithSoftTokens) and part.weight is weight and own != "inner":
            made.setdefault(part, WithSoftTokens(part, first, vectors))
            setattr(module.get_submodule(above), own, made[part])
