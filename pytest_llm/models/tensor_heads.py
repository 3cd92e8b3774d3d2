"""What the heads of safetensors files say of their tensors: nothing is loaded, and neither torch nor numpy imported.

`safetensors` bounds a head, and holds what it announces against the size of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Head:
    """Of one tensor."""

    dtype: str
    """As the format calls it: "F32", "BF16", …"""
    numbers: int


def heads(folder: Path) -> Iterator[Head]:
    """Of all tensors in the safetensors files of a folder.

    Raises:
        MisuseError: a file is cut off, or none of the format.
    """
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "numpy") as content:
                for name in content.keys():  # noqa: SIM118  # it is no dict
                    tensor = content.get_slice(name)
                    yield Head(tensor.get_dtype(), math.prod(tensor.get_shape()))
        except (SafetensorError, OSError) as error:
            raise MisuseError(f"{file.name} in {str(folder)!r} cannot be read as safetensors: {error}") from None
