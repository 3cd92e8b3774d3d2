"""GGUF files, read once where `transformers` reads them for the configuration, the tokenizer and the weights each.

Parsing is most of the loading: each of 50 000 tokens is an array of its own for the `gguf` package, cut out of a memory map. And
the table of tensor names, the same for a whole model, is made anew for each of its modules.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_LOCK = Lock()


@contextmanager
def read_once() -> Iterator[None]:
    """Within it a file is parsed the first time only; it must not change meanwhile.

    The two names are public ones of `gguf`, which `transformers` looks up when it loads. Where it no longer does, loading is as
    slow as it was; without the package, `transformers` says what is missing.
    """
    try:
        import gguf
    except ImportError:
        yield
        return

    class Reader(gguf.GGUFReader):
        """Slices of a plain array cost a third of a memory map's, and read the same pages."""

        @property
        def data(self) -> Any:
            return self._plain

        @data.setter
        def data(self, mapped: Any) -> None:
            import numpy as np

            self._plain = mapped.view(np.ndarray)

    @functools.cache
    def parsed(path: str) -> Reader:
        return Reader(path)

    def reader(path: str | os.PathLike[str]) -> Reader:
        return parsed(os.fspath(path))

    quicker = {"GGUFReader": reader, "get_tensor_name_map": functools.cache(gguf.get_tensor_name_map)}
    with _LOCK:
        usual = {name: getattr(gguf, name) for name in quicker}
        for name, replacement in quicker.items():
            setattr(gguf, name, replacement)
        try:
            yield
        finally:
            for name, original in usual.items():
                setattr(gguf, name, original)
