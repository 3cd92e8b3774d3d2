"""Small Transformers for tests, of each architecture and on any device: with fresh weights, or those that are shipped."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.models.core_model import CoreModel, core_model, load_core_model
from pytest_llm.transformer.architectures import CausalLM, MaskedLM, Seq2SeqLM, SequenceClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh

Architecture: TypeAlias = Literal["encoder", "decoder", "encoder-decoder"]
Size: TypeAlias = Literal["tiny", "small", "base"]

SIZES: dict[Size, dict[str, int]] = {
    "tiny": {"width": 64, "layers": 2, "heads": 4},
    "small": {"width": 192, "layers": 3, "heads": 6},
    "base": {"width": 512, "layers": 6, "heads": 8},
}
MAX_LENGTH = 256
_POST_NORM = {
    "positions": "learned",
    "feed_forward": "gelu",
    "normalization": "layer",
    "norm_epsilon": 1e-5,
    "norm_first": False,
    "embedding_norm": True,
    "bias": True,
    "head_bias": True,
}
STYLES: dict[Architecture, dict[str, Any]] = {
    "encoder": {**_POST_NORM, "head_transform": True},
    "decoder": {},
    "encoder-decoder": _POST_NORM,
}
"""As BERT, Llama and BART."""
TRAINED: dict[Architecture, str] = {
    "encoder": "models/tiny-encoder",
    "decoder": "models/tiny-decoder",
    "encoder-decoder": "models/tiny-encoder-decoder",
}
"""Shipped checkpoints."""
_FRAMES: dict[Architecture, str] = {
    "encoder": "<|endoftext|> $A <|endoftext|>",
    "encoder-decoder": "$A <|endoftext|>",
}


def fresh_model(
    architecture: Architecture, size: Size = "tiny", *, seed: int = 0, device: str = "cpu", **settings: Any
) -> CoreModel:
    """A model with random weights and the tokenizer of tiny-decoder; another one at each call, so a test may train it.

    Args:
        architecture: "encoder" (predicts masked tokens, or labels if `labels` is among the settings), "decoder",
            "encoder-decoder".
        size: "tiny" (about 0.2 M parameters), "small" (about 1.5 M) or "base" (about 20 M).
        seed: of the weights.
        device: where it runs.
        settings: of its `Config`, in the place of those of the size and architecture.

    Raises:
        MisuseError: an unknown architecture, size or setting.
    """
    if size not in SIZES or architecture not in STYLES:
        raise MisuseError(
            f"{architecture!r} of size {size!r}: expected one of {', '.join(STYLES)}, of size {', '.join(SIZES)}"
        )
    tokenizer = _tokenizer(architecture)
    shape: dict[str, Any] = {"vocabulary": len(tokenizer), "max_length": MAX_LENGTH, **SIZES[size]}
    try:
        config = Config(**{**shape, **STYLES[architecture], **settings})
    except TypeError as error:
        raise MisuseError(f"no such setting of a Transformer: {error}") from None
    kinds = {"encoder": SequenceClassifier if config.labels else MaskedLM, "decoder": CausalLM}
    core = fresh(kinds.get(architecture, Seq2SeqLM), config, seed=seed)
    return core_model(core.to(device), tokenizer, name=f"fresh {size} {architecture}")


@cache
def trained_model(architecture: Architecture, device: str = "cpu") -> CoreModel:
    """The shipped model of an architecture, carried by the Transformer of this package; the same object at each call.

    Raises:
        MisuseError: an unknown architecture.
    """
    if architecture not in TRAINED:
        raise MisuseError(f"{architecture!r}: expected one of {', '.join(TRAINED)}")
    return load_core_model(embedded(TRAINED[architecture]), device=device)


@cache
def _tokenizer(architecture: Architecture) -> Any:
    """That of tiny-decoder, with a token for masks and one for padding, and an end where the architecture wants one."""
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(embedded(TRAINED["decoder"]))
    # as RoBERTa's: the space before it belongs to the word that it hides
    mask = AddedToken("<|mask|>", lstrip=True, normalized=False)
    tokenizer.add_special_tokens({"mask_token": mask, "pad_token": "<|pad|>"})
    if architecture in _FRAMES:
        frame = TemplateProcessing(
            single=_FRAMES[architecture], special_tokens=[("<|endoftext|>", tokenizer.eos_token_id)]
        )
        tokenizer.backend_tokenizer.post_processor = frame
    return tokenizer


class Factory:
    """What the fixtures `transformer_encoder`, `transformer_decoder` and `transformer_encoder_decoder` give.

    Args:
        architecture: of the models.
        device: where they run.
    """

    def __init__(self, architecture: Architecture, device: str) -> None:
        self._architecture = architecture
        self.device = device

    def __call__(
        self, size: Size = "tiny", *, seed: int = 0, trained: bool = False, **settings: Any
    ) -> Any:  # whoever asks knows which architecture it is
        """A model, its tokenizer beside it: for every assertion; `.core` is the module.

        Args:
            size: of fresh weights.
            seed: of fresh weights.
            trained: the shipped weights instead; one model for all tests, not to be changed.
            settings: of the `Config` of fresh weights.
        """
        if not trained:
            return fresh_model(self._architecture, size, seed=seed, device=self.device, **settings)
        if settings or seed or size != "tiny":
            raise MisuseError("trained weights have the size and settings that they were trained with")
        return trained_model(self._architecture, self.device)
