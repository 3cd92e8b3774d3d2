"""How much memory a checkpoint will take, from the heads of its files: nothing is loaded, and torch not imported."""

from __future__ import annotations

from pathlib import Path

from pytest_llm.errors import MisuseError
from pytest_llm.models.tensor_heads import Head, heads

_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_WANTED = {"float32": 4, "bfloat16": 2, "float16": 2}
_GGUF = 8
"""Bytes in float32 of a byte in a file with four bits a weight; the larger its weights are there, the less."""


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
    wanted = _WANTED.get(dtype) or (None if on_gpu else 4)
    try:
        return sum(head.numbers * _bytes_of(head, wanted) for head in heads(checkpoint)) or None
    except MisuseError:  # loading will say what is wrong with it
        return None


def _bytes_of(head: Head, wanted: int | None) -> int:
    """Of one number: as wanted, if it is a fraction."""
    floating = head.dtype.startswith(("F", "BF"))
    return wanted if wanted and floating else _BYTES.get(head.dtype, 1)
