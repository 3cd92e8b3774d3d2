"""Models of ours in folders: `config.json` and `model.safetensors`. Published checkpoints are read from theirs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.storage.strict_json import read_bounded
from pytest_llm.transformer import architectures
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.decoder import Decoder
from pytest_llm.transformer.encoder import Encoder
from pytest_llm.transformer.encoder_decoder import EncoderDecoder
from pytest_llm.transformer.weights.index import MOST_BYTES, shards
from pytest_llm.transformer.weights.names import filled
from pytest_llm.transformer.weights.published import from_published

MODEL_TYPE = "pytest_llm_transformer"
KINDS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        Encoder,
        Decoder,
        EncoderDecoder,
        architectures.CausalLM,
        architectures.MaskedLM,
        architectures.Seq2SeqLM,
        architectures.SequenceClassifier,
        architectures.TokenClassifier,
        architectures.TextEmbedder,
    )
}


def save(model: nn.Module, folder: Path) -> Path:
    """Write a model of ours; every bit of its weights comes back with `load`. Tied tensors are written once.

    Raises:
        MisuseError: it is no model of ours.
    """
    kind = type(model).__name__
    config: Any = model.config
    if KINDS.get(kind) is not type(model):
        raise MisuseError(f"{kind} is no model of pytest_llm.transformer; those are {', '.join(KINDS)}")
    folder.mkdir(parents=True, exist_ok=True)
    stated = {"model_type": MODEL_TYPE, "architectures": [kind], **dataclasses.asdict(config)}
    (folder / "config.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    tensors = {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def is_ours(folder: Path) -> bool:
    """Whether `save` wrote what is there. Of what cannot be read it is not said why; whoever loads it says so."""
    try:
        return _stated(folder).get("model_type") == MODEL_TYPE
    except MisuseError:
        return False


def _stated(folder: Path) -> dict[str, Any]:
    try:
        stated = json.loads(read_bounded(folder / "config.json", MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MisuseError(f"no configuration in {str(folder)!r}: {error}") from None
    if not isinstance(stated, dict):
        raise MisuseError(f"no configuration in {str(folder)!r}: config.json holds {stated!r:.60}, no object")
    return stated


def load(folder: Path, *, architecture: str | None = None) -> nn.Module:
    """The model in a folder, of ours or published, on the CPU, in evaluation mode; ours in float32, another in its own type.

    Args:
        folder: with a `config.json` and safetensors, in one file or several with an index.
        architecture: the name of a published model's class, if its `config.json` does not say.

    Raises:
        MisuseError: a file is missing or cannot be read, a family is not known, tensors are missing or left over.
    """
    stated = _stated(folder)
    state = read_tensors(folder)
    try:
        if stated.get("model_type") != MODEL_TYPE:
            return from_published(stated, state, architecture=architecture)
        (kind,) = stated["architectures"]
        settings = {name: value for name, value in stated.items() if name not in ("model_type", "architectures")}
        return filled(KINDS[kind], Config(**settings), state).eval()
    except MisuseError as error:
        raise MisuseError(f"{str(folder)!r}: {error}") from None
    except (
        KeyError,
        TypeError,
        ValueError,
        ArithmeticError,
        RuntimeError,
    ) as error:  # numbers that are none, in config.json
        raise MisuseError(
            f"the config.json in {str(folder)!r} was written by another version, or is damaged ({type(error).__name__}: {error})"
        ) from None


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, from `model.safetensors` or the files that its index names.

    Raises:
        MisuseError: there are none, one is missing or damaged.
    """
    names = shards(folder)
    try:
        return {name: tensor for file in sorted(names) for name, tensor in load_file(folder / file).items()}
    except Exception as error:  # safetensors has an error of its own, beside those of files and JSON
        raise MisuseError(f"no weights can be read from {str(folder)!r}: {error}") from None
