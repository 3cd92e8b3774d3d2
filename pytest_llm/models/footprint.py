"""How much memory a checkpoint will take, from the heads of its files: nothing is loaded, and torch not imported."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_WANTED = {"float32": 4, "bfloat16": 2, "float16": 2}
_GGUF = 8
"""Bytes in float32 of a byte in a file with four bits a weight; the larger its weights are there, the less."""
_MOST_HEADER = 100_000_000


def bytes_when_loaded(checkpoint: Path, *, dtype: str = "auto", on_gpu: bool = False) -> int | None:
    """About what a checkpoint's weights take once they are loaded; None where its files do not say.

    Args:
        checkpoint: a folder with safetensors, or a GGUF file (whose weights become float32; no more than that).
        dtype: as of `load_model`: "auto" is float32 on the CPU, and what the file has on a GPU.
        on_gpu: where it is loaded to.
    """
    if checkpoint.is_file():
        share = _WANTED.get(dtype, 4) / 4
        return int(_GGUF * share * checkpoint.stat().st_size) if checkpoint.suffix == ".gguf" else None
    files = sorted(checkpoint.glob("*.safetensors"))
    wanted = _WANTED.get(dtype) or (None if on_gpu else 4)
    try:
        return sum(_of_file(file, wanted) for file in files) or None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        struct.error,
    ):  # loading will say what is wrong with it
        return None


def _of_file(file: Path, wanted: int | None) -> int:
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > _MOST_HEADER:
            raise ValueError(f"{file} has a head of {length} bytes")
        header = json.loads(opened.read(length))
    total = 0
    for name, entry in header.items():
        if name != "__metadata__":
            own = _BYTES.get(entry["dtype"], 1)
            floating = entry["dtype"].startswith(("F", "BF"))
            total += math.prod(entry["shape"]) * (wanted if wanted and floating else own)
    return total
