"""How a model was loaded, enough to load it again in another process or on another machine, and whether it is the same there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """What `load_model` was given.

    Whether what is there now is still the same model is for digests to say: the files may have changed since, and so may the model.
    """

    source: str
    """A name, a hub id, or an absolute path."""
    dtype: str
    trust_remote_code: bool = False
    allow_pickle: bool = False

    def load(self, device: str) -> Any:
        """The model, loaded again, on that device.

        Raises:
            MisuseError: as `load_model`: it is not there, or something else is.
        """
        from pytest_llm.models.loading import load_model

        return load_model(
            self.source,
            device=device,
            dtype=self.dtype,  # type: ignore[arg-type]  # load_model looks
            trust_remote_code=self.trust_remote_code,
            allow_pickle=self.allow_pickle,
        )


def placeless_key(model: Any) -> str | None:
    """What the model is made of, wherever it is: `cache_key` without the device; of a model of one's own, its cache key.

    None where that cannot be told.
    """
    if hasattr(model, "module"):
        from pytest_llm.models import cache_key

        return cache_key.placeless_key(model)
    own = getattr(model, "cache_key", None)
    return None if own is None else own()


def place_of(model: Any) -> str:
    """The device of the model, with what of it changes the last bits; empty for a model of one's own."""
    if not hasattr(model, "module"):
        return ""
    from pytest_llm.models import cache_key

    return cache_key.place_of(model.device)
