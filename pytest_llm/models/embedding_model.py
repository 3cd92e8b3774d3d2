"""An encoder of the `transformers` library without a head (BERT, MPNet, MiniLM, …): where a text lies among others."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias, TypeVar

import torch
from transformers.utils.hub import cached_file

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.reading_model import ReadingModel
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.storage.strict_json import read_bounded
from pytest_llm.transformer.weights.index import MOST_BYTES

Pooling: TypeAlias = Literal["mean", "cls", "last"]
_MODES: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_Kind = TypeVar("_Kind", "list[Any]", "dict[str, Any]")
_KINDS: dict[type, str] = {list: "list", dict: "object"}
_KNOWN_STEPS = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class Recipe:
    """How the vectors of a text's tokens become one: what a folder of sentence-transformers says beside the weights."""

    pooling: Pooling = "mean"
    """The mean over all tokens, special tokens included; the first token's vector; or the last one's."""
    longest: int | None = None
    """How many tokens are read at most."""


class EmbeddingModel(ReadingModel):
    """A `(model, tokenizer)` pair as an `Encoder`.

    Args:
        module: a model of `transformers` without a head (`AutoModel`); it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.
        recipe: how a text's vector is made of its tokens'.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None, recipe: Recipe = Recipe()) -> None:
        super().__init__(module, tokenizer, name=name, longest=recipe.longest)
        self.recipe = recipe

    @property
    def provenance(self) -> Provenance:
        own = super().provenance
        return replace(own, model=f"{own.model}, {self.recipe.pooling} pooling of {self.max_length} tokens at most")

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        own = super().fingerprint()
        return None if own is None else (own, self.recipe)

    def cache_key(self) -> str | None:
        """The same in every process for a model that gives the same answers; None where that cannot be told in full."""
        own = super().cache_key()
        return None if own is None else f"{own} pooling:{self.recipe.pooling}"

    def embed(self, texts: Sequence[str], *, truncate: bool = False) -> list[FloatArray]:
        """The vector of each text: the pooled hidden states of the last layer, not normalised.

        The mean is that over the attention mask of sentence-transformers (Reimers & Gurevych 2019): all tokens count alike,
        special tokens included.

        Args:
            texts: any number of texts.
            truncate: leave out what is behind the context's length, as sentence-transformers does.

        Raises:
            MisuseError: a text without tokens, or one that is longer than the context.
        """
        pooled = self.read(self.fitting(texts, truncate=truncate), self._pooled)
        return [vector.double().numpy() for vector in pooled]

    def _pooled(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.module(input_ids=tokens).last_hidden_state
        match self.recipe.pooling:
            case "mean":
                return hidden.float().mean(dim=1)
            case "cls":
                return hidden[:, 0]
            case "last":
                return hidden[:, -1]


def recipe_of(origin: str) -> Recipe:
    """What sentence-transformers wrote beside a checkpoint; the mean over all tokens where there is nothing of it.

    Args:
        origin: the folder of the checkpoint, or its hub id.

    Raises:
        MisuseError: steps or a pooling that this library does not know: without them the vectors would be others.
    """
    steps = [_step(origin, one) for one in _json(origin, "modules.json", list)]
    unknown = [kind for kind, _ in steps if kind.rpartition(".")[2] not in _KNOWN_STEPS]
    if unknown:
        raise MisuseError(
            f"{origin!r} makes its embeddings with {unknown[0]}, which is not known here: give an object with a method "
            f"embed(texts) that does it"
        )
    longest = _json(origin, "sentence_bert_config.json", dict).get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < 1):
        raise MisuseError(
            f"sentence_bert_config.json of {origin!r}: max_seq_length is {longest!r:.60}, no number of tokens"
        )
    place = next((path for kind, path in steps if kind.endswith(".Pooling")), None)
    if place is None:
        return Recipe(longest=longest)
    settings = _json(origin, f"{place}/config.json", dict)
    modes = [name for name, on in settings.items() if name.startswith("pooling_mode_") and on is True]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise MisuseError(
            f"{origin!r} asks for {' and '.join(modes) or 'no pooling'}; known is one of {', '.join(_MODES)}"
        )
    return Recipe(_MODES[modes[0]], longest)


def _step(origin: str, step: Any) -> tuple[str, str]:
    """What a step of `modules.json` is, and in which folder it is described."""
    kind, place = (step.get("type"), step.get("path")) if isinstance(step, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(place, str) or ".." in place or PurePath(place).is_absolute():
        raise MisuseError(
            f"modules.json of {origin!r} has the step {step!r:.100}; expected its type, and a folder in this one"
        )
    return kind, place


def _json(origin: str, name: str, kind: type[_Kind]) -> _Kind:
    """What a file holds; nothing of that kind where there is none."""
    path = cached_file(origin, name, _raise_exceptions_for_missing_entries=False)
    if path is None:
        return kind()
    try:
        found = json.loads(read_bounded(Path(path), MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise MisuseError(f"{name} of {origin!r} cannot be read as JSON: {error}") from None
    if not isinstance(found, kind):
        raise MisuseError(f"{name} of {origin!r} holds {found!r:.60}; expected a JSON {_KINDS[kind]}")
    return found
