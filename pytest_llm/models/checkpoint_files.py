"""The files of a checkpoint's folder, looked at before any of them is loaded: what a stranger may have put there.

Nothing is executed (no pickles, unless they are allowed), nothing outside the folder is read (links, names in an index), and
nothing is read whole, or allocated, that is out of proportion to the weights that are there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.models.tensor_heads import heads
from pytest_llm.transformer.weights.index import MOST_BYTES, shards

READ_WHOLE = (".json", ".jinja", ".txt", ".model", ".tiktoken")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_LAYERS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")
_TIMES = ("vocab_size", "intermediate_size", "n_inner", "d_ff", "ffn_dim")
_PACKED = 32
"""How many weights a stored number may stand for: 1 bit each in 32."""


def check_folder(path: Path, *, allow_pickle: bool = False) -> None:
    """Refuse a folder that is no checkpoint, or that one should not load.

    Args:
        path: of the folder.
        allow_pickle: weights may be pickles, which run code when they are read.

    Raises:
        MisuseError: something is missing, or one of the above; it names the file and the remedy.
    """
    if not (path / "config.json").is_file():
        raise MisuseError(f"{str(path)!r} is no model folder: it has no config.json")
    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        raise MisuseError(
            f"{str(path)!r} has no tokenizer (no tokenizer.json): save it beside the model with "
            f"tokenizer.save_pretrained(folder), or give the pair (model, tokenizer)"
        )
    entries = _entries(path)
    _refuse_what_leads_out(path, entries)
    _refuse_what_is_huge(path, entries)
    if any(path.glob("*.safetensors")):
        _refuse_what_is_out_of_proportion(path)
    elif not allow_pickle:
        _refuse_pickles(path)


def _refuse_pickles(path: Path) -> None:
    pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in path.glob(pattern))
    if pickles:
        raise MisuseError(
            f"{pickles[0]} in {str(path)!r} is a pickle, which can run any code when it is read: convert it with "
            f"save_pretrained (safetensors), or, if you trust it like code, load_model(…, allow_pickle=True)"
        )
    raise MisuseError(f"{str(path)!r} has a config.json but no weights (*.safetensors)")


def _entries(path: Path) -> list[Path]:
    """Files and folders, also those that are links, which are not followed."""
    return [Path(folder, name) for folder, folders, names in os.walk(path) for name in (*folders, *names)]


def _refuse_what_leads_out(path: Path, entries: Sequence[Path]) -> None:
    """A chat template that is a link to a key would stand in every prompt. The hub's own cache links to `../../blobs`."""
    home = path.resolve()
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    for entry in entries:
        if entry.is_symlink():
            target = Path(os.path.realpath(entry))  # `resolve` raises for links in a circle
            if not target.is_relative_to(home) and not target.is_relative_to(blobs):
                raise MisuseError(
                    f"{entry.relative_to(path)} in {str(path)!r} is a link to {str(target)!r}, outside of the folder: put the "
                    f"file itself there, if you know what it is"
                )
    shards(path)


def _refuse_what_is_huge(path: Path, entries: Sequence[Path]) -> None:
    """And what is read without end: a link to nothing, or in a circle, and a pipe, which waits for whoever writes to it."""
    for entry in entries:
        if entry.suffix not in (*READ_WHOLE, *_WEIGHTS) or entry.is_dir():
            continue
        if not entry.is_file():
            raise MisuseError(
                f"{entry.relative_to(path)} in {str(path)!r} is no file, or a link to one that is not there"
            )
        if entry.suffix in READ_WHOLE and (size := entry.stat().st_size) > MOST_BYTES:
            raise MisuseError(
                f"{entry.relative_to(path)} in {str(path)!r} has {size / 2**20:,.0f} MiB; of a file that is read whole "
                f"{MOST_BYTES // 2**20} MiB are accepted"
            )


def _refuse_what_is_out_of_proportion(path: Path) -> None:
    """The configuration of a bomb asks for a million layers, and `transformers` makes them before it looks at the weights."""
    stored = list(heads(path))
    tensors, numbers = len(stored), sum(head.numbers for head in stored)
    stated = _read(path / "config.json")
    for part in (stated, *(value for value in stated.values() if isinstance(value, dict))):
        for name in _LAYERS:
            if (layers := _whole(part, name)) > tensors:
                raise _out_of_proportion(path, f"{name} is {layers}, and there are {tensors} tensors")
        width = max(_whole(part, name) for name in _WIDTHS)
        for name in _TIMES:
            if width * (times := _whole(part, name)) > _PACKED * numbers:
                what = f"{name} of {times} times a width of {width} is more than the {numbers} numbers stored there can make"
                raise _out_of_proportion(path, what)


def _whole(part: Mapping[str, Any], name: str) -> int:
    value = part.get(name)
    return value if isinstance(value, int) else 0


def _out_of_proportion(path: Path, what: str) -> MisuseError:
    return MisuseError(f"config.json in {str(path)!r} does not belong to the weights beside it: {what}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MisuseError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise MisuseError(f"{str(path)!r} holds no object, but {type(content).__name__}")
    return content
