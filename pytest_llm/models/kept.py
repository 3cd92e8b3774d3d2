"""Models that assertions were given by name: loaded once a session; when the next does not fit, the one unused for longest goes.

The plugin binds the shelf; outside pytest each call loads its own. Only what assertions load for themselves stands on it: what
`load_model` and the fixtures give belongs to whoever asked. A model that has changed since, or whose files have, is loaded anew.

Standard library only, until a model is asked for.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llm.binding import bound

logger = logging.getLogger(__name__)

SHARE = 0.5
"""Of the memory that is free, the next model takes no more: the rest is for what it computes."""


@dataclass(frozen=True)
class _Kept:
    model: Any
    state: Hashable
    """Its fingerprint when it was loaded."""
    files: Hashable
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Loading:
    """What the shelf has to know of loading; tests put their own in its place."""

    load: Callable[[str], Any]
    files: Callable[[str], Hashable]
    """What tells the files of a model from others in their place."""
    need: Callable[[str], int | None]
    """Bytes that it will take; None where nobody knows."""
    size: Callable[[Any], int]
    """Bytes that it takes."""
    free: Callable[[], int | None]
    """Bytes that are free where models go; None where nobody knows."""


class Shelf:
    """Keeps models by their names.

    Args:
        most: bytes of all that are kept; None: as much as there is room for; 0: none.
        loading: how they are loaded.
    """

    def __init__(self, most: int | None, loading: Loading) -> None:
        self._most, self._loading = most, loading
        self._kept: dict[str, _Kept] = {}

    def model(self, source: str) -> Any:
        """The model of that name."""
        files = self._loading.files(source)
        found = self._kept.pop(source, None)
        if found is not None and found.files == files and found.model.fingerprint() == found.state:
            self._kept[source] = found  # behind all others: the first is the one unused for longest
            return found.model
        del found
        self._make_room(source)
        model = self._loaded(source)
        self._keep(source, model, files)
        return model

    @property
    def names(self) -> list[str]:
        """The one unused for longest first."""
        return list(self._kept)

    def clear(self) -> None:
        while self._kept:
            self._let_go()

    def _loaded(self, source: str) -> Any:
        from pytest_llm.models.memory import is_out_of_memory

        try:
            return self._loading.load(source)
        except Exception as error:  # whatever the library makes of it
            if not self._kept or not any(is_out_of_memory(one) for one in (error, error.__cause__) if one is not None):
                raise
        # not inside `except`: there the error's frames still hold what did not fit
        self.clear()
        return self._loading.load(source)

    def _make_room(self, source: str) -> None:
        need = self._loading.need(source)
        if need is None:  # no more is known of it than of the others
            need = max((one.size for one in self._kept.values()), default=0)
        while self._kept:
            free = self._loading.free()
            if (free is None or need <= SHARE * free) and (self._most is None or self._total() + need <= self._most):
                return
            self._let_go()

    def _keep(self, source: str, model: Any, files: Hashable) -> None:
        state = model.fingerprint() if hasattr(model, "fingerprint") else None
        if state is None:  # nobody could tell whether it is still what it was
            return
        size = self._loading.size(model)
        while self._kept and self._most is not None and self._total() + size > self._most:
            self._let_go()
        if self._most is None or size <= self._most:
            self._kept[source] = _Kept(model, state, files, size)

    def _total(self) -> int:
        return sum(one.size for one in self._kept.values())

    def _let_go(self) -> None:
        name = next(iter(self._kept))
        logger.info("%s is let go: the next model needs its memory", name)
        del self._kept[name]
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


_current: ContextVar[Shelf | None] = ContextVar("pytest_llm_models", default=None)


def shelf() -> Shelf | None:
    """The one that is bound; None where each model is loaded anew."""
    return _current.get()


@contextmanager
def keeping(most: int | None) -> Iterator[Shelf]:
    """Bind a shelf for the length of a `with` block.

    Args:
        most: bytes of all that it keeps; None: as much as there is room for.
    """
    kept = Shelf(most, Loading(_load, _files, _need, _size, _free))
    try:
        with bound(_current, kept):
            yield kept
    finally:
        kept.clear()


def _load(source: str) -> Any:
    from pytest_llm.models.loading import load_model

    return load_model(source)


def _files(source: str) -> Hashable:
    from pytest_llm.models.endpoint.address import is_address
    from pytest_llm.models.sources import checkpoint_at

    if is_address(source):
        return source
    path = checkpoint_at(source)
    if path is None:
        return source
    listed = sorted(path.iterdir()) if path.is_dir() else [path]
    return str(path), tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in listed)


def _need(source: str) -> int | None:
    from pytest_llm.models.endpoint.address import is_address
    from pytest_llm.models.footprint import bytes_when_loaded
    from pytest_llm.models.sources import checkpoint_at

    if is_address(source):
        return 0
    path: Path | None = checkpoint_at(source)
    return None if path is None else bytes_when_loaded(path, on_gpu=not _device().startswith("cpu"))


def _size(model: Any) -> int:
    from pytest_llm.models.size import bytes_in_memory

    return bytes_in_memory(model, "device") + bytes_in_memory(model, "host")


def _free() -> int | None:
    import torch

    from pytest_llm.models.memory import free_memory

    return free_memory(torch.device(_device()))


def _device() -> str:
    from pytest_llm.models.devices import choose_device

    return choose_device("auto")
