"""How a model was loaded: enough to load it again, on another machine too."""

from __future__ import annotations

from dataclasses import dataclass


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
