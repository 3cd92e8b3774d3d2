"""Transformers of `pytest_llm.transformer`, with a tokenizer, as models that every assertion takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.continuous_batching import Text
from pytest_llm.models.core_module import CoreModule
from pytest_llm.models.decoding import cut_at, seed_of, stopper
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.masked_model import MaskedModel
from pytest_llm.models.tagger_model import TaggerModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.transformer.architectures import (
    CausalLM,
    MaskedLM,
    Seq2SeqLM,
    SequenceClassifier,
    TextEmbedder,
    TokenClassifier,
)
from pytest_llm.transformer.encoder import Encoder
from pytest_llm.transformer.generation import Choose, Sampling, beam_search, generate, greedy
from pytest_llm.transformer.weights.files import is_ours, load

PROMPTS_AT_ONCE = 16


class CoreCheckpoint(Checkpoint):
    """What all of them have in common: the module is a `CoreModule` round `core`.

    Args:
        core: a model of `pytest_llm.transformer`; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.
        labels: of a classifier or tagger, in the order of its logits; by default their numbers.
        start_token: what the decoder of an encoder-decoder begins with; by default the tokenizer's EOS (as BART), else its BOS.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's, or there are more or fewer labels than logits.
    """

    def __init__(
        self,
        core: Any,
        tokenizer: Any,
        *,
        name: str | None = None,
        labels: Sequence[str] | None = None,
        start_token: int | None = None,
    ) -> None:
        if start_token is None:
            start_token = tokenizer.bos_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        super().__init__(CoreModule(core, start_token, labels), tokenizer, name=name or type(core).__name__)
        self.core = core


class CoreCausalModel(CoreCheckpoint, TransformersModel):
    """A `CausalLM` and its tokenizer: scores, shows distributions, writes."""

    def _reason_not_to_pack(self) -> str:
        return "packing replaces the attention of transformers, which it has not"

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        """The text that follows each prompt; prompts of like length are written together, padded on the left.

        Raises:
            MisuseError: an empty prompt, or one that leaves no room for `max_tokens` in the context.
        """
        encoded = [self._encode_prompt(prompt, decoding) for prompt in prompts]
        return _written(self, encoded, decoding)

    def write_alone(self, prompt: str, decoding: Decoding, listen: Callable[[], None] | None = None) -> str:
        """The text that follows one prompt; `listen` is called as soon as each token is known."""
        (text,) = _written(self, [self._encode_prompt(prompt, decoding)], decoding, listen)
        return text


class CoreMaskedModel(CoreCheckpoint, MaskedModel):
    """A `MaskedLM` and its tokenizer: predicts each token from all others."""


class CoreClassifierModel(CoreCheckpoint, ClassifierModel):
    """A `SequenceClassifier` and its tokenizer: says which label a text has."""


class CoreTaggerModel(CoreCheckpoint, TaggerModel):
    """A `TokenClassifier` and its tokenizer: says which entities a text holds."""


class CoreEmbeddingModel(CoreCheckpoint, EmbeddingModel):
    """A `TextEmbedder`, or an `Encoder` alone, and its tokenizer: gives a text the mean of its tokens' states."""


class CoreEncoderDecoderModel(CoreCheckpoint, EncoderDecoderModel):
    """A `Seq2SeqLM` and its tokenizer: scores targets given sources, and writes them."""

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        """The target that is written for each source, after the special tokens that every target begins with.

        Raises:
            MisuseError: a source that is longer than the model can read, or more `max_tokens` than it can write.
        """
        (empty,) = self.framed([""], as_target=True)
        start = self.start_token
        assert start is not None  # checked when the model was wrapped
        begin = (start, *empty.before)
        if len(begin) + decoding.max_tokens > self.max_target_length + 1:
            raise MisuseError(
                f"max_tokens={decoding.max_tokens} is more than {self.name} can write: {self.max_target_length} tokens"
            )
        sources = [source.whole for source in self.framed(prompts)]
        self._check_lengths(prompts, list(map(len, sources)), "source", self.max_length)
        return _written(self, sources, decoding, start=begin)


CoreModel: TypeAlias = (
    CoreCausalModel
    | CoreMaskedModel
    | CoreEncoderDecoderModel
    | CoreClassifierModel
    | CoreTaggerModel
    | CoreEmbeddingModel
)
_WRAPPERS: dict[type[nn.Module], type[CoreModel]] = {
    CausalLM: CoreCausalModel,
    MaskedLM: CoreMaskedModel,
    Seq2SeqLM: CoreEncoderDecoderModel,
    SequenceClassifier: CoreClassifierModel,
    TokenClassifier: CoreTaggerModel,
    TextEmbedder: CoreEmbeddingModel,
    Encoder: CoreEmbeddingModel,
}


def core_model(
    core: nn.Module, tokenizer: Any, *, name: str | None = None, labels: Sequence[str] | None = None
) -> CoreModel:
    """The model of ours and its tokenizer, as what it can be asked; the arguments are those of `CoreCheckpoint`.

    Raises:
        MisuseError: no assertion can ask it, or tokenizer and labels are not its own.
    """
    if type(core) not in _WRAPPERS:
        raise MisuseError(
            f"{type(core).__name__} predicts nothing that an assertion can ask: give one of "
            f"{', '.join(kind.__name__ for kind in _WRAPPERS)}"
        )
    return _WRAPPERS[type(core)](core, tokenizer, name=name, labels=labels)


def load_core_model(
    folder: Path, *, device: str = "cpu", dtype: str | None = None, name: str | None = None
) -> CoreModel:
    """The checkpoint in a folder, published or of ours, carried by the Transformer of this package, with its tokenizer.

    Args:
        folder: with `config.json`, safetensors and the files of the tokenizer.
        device: where it runs.
        dtype: the name of a type of torch, such as "bfloat16"; by default that of the weights.
        name: how reports call it; by default as the folder.

    Raises:
        MisuseError: no weights or tokenizer there, a family that is not known.
    """
    from transformers import AutoTokenizer, PretrainedConfig

    core = load(folder).to(device, None if dtype is None else getattr(torch, dtype))
    try:
        # transformers would warn that it does not know our configuration, of which a tokenizer needs nothing
        known = {"config": PretrainedConfig()} if is_ours(folder) else {}
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **known)
    except (OSError, ValueError) as error:
        raise MisuseError(f"no tokenizer can be read from {str(folder)!r}: {error}") from None
    return core_model(core, tokenizer, name=name or folder.name)


def _written(
    model: CoreCausalModel | CoreEncoderDecoderModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    listen: Callable[[], None] | None = None,
    start: Sequence[int] = (),
) -> list[str]:
    """What is written behind each prompt, in batches of like length."""
    tokenizer = model.tokenizer
    ends = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)

    def text_of(tokens: Sequence[int]) -> str:
        text: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    ended = stopper(decoding.stop, frozenset(ends), text_of)
    heard = 0

    def is_finished(tokens: list[int]) -> bool:
        nonlocal heard
        if listen is not None and len(tokens) > heard:  # once a step, however many beams there are
            heard = len(tokens)
            listen()
        return ended(Text(0, (), tokens))

    answers = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    size = 1 if decoding.beams > 1 else PROMPTS_AT_ONCE
    for batch in (order[first : first + size] for first in range(0, len(order), size)):
        tokens, mask = _left_padded([prompts[index] for index in batch], model.device)
        settings: dict[str, Any] = {"max_tokens": decoding.max_tokens, "start": start, "ends": ends}
        settings["is_finished"] = is_finished
        if decoding.beams > 1:
            found = [beam_search(model.core, tokens, beams=decoding.beams, **settings).tokens]
        else:
            choose: Choose = greedy
            if decoding.temperature > 0:
                choose = Sampling(
                    [seed_of(decoding.seed, prompts[index]) % 2**63 for index in batch],
                    temperature=decoding.temperature,
                    top_k=decoding.top_k,
                    top_p=decoding.top_p,
                )
            found = generate(model.core, tokens, mask, choose=choose, **settings)
        for index, written in zip(batch, found, strict=True):
            text = text_of(written[:-1] if written[-1] in ends else written)
            cut = cut_at(text, decoding.stop)
            answers[index] = text if cut is None else cut
    return answers


def _left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    tokens = [[*[0] * (longest - len(row)), *row] for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)
