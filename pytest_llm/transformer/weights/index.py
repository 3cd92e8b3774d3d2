"""In which files the weights of a published checkpoint are."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_llm.errors import MisuseError
from pytest_llm.storage.strict_json import read_bounded

MOST_BYTES = 256 * 2**20
"""Of a checkpoint's file that is read whole; the largest vocabularies in use take 35 MB."""
INDEX = "model.safetensors.index.json"


def shards(folder: Path) -> set[str]:
    """The names of the files, each one in the folder: `model.safetensors`, or what the index names.

    Raises:
        MisuseError: the index is none, or names a file that is not in the folder.
    """
    index = folder / INDEX
    if not index.is_file():
        return {"model.safetensors"}
    try:
        names = set(json.loads(read_bounded(index, MOST_BYTES).decode("utf-8"))["weight_map"].values())
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise MisuseError(f"{str(index)!r} does not say in which file each tensor is (weight_map): {error}") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise MisuseError(f"{INDEX} in {str(folder)!r} names the file {name!r}, which is not one in the folder")
    return names
