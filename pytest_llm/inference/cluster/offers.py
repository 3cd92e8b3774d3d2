"""Models as they are offered to actors: by name, for each node to load, or through the object store, once for all of them."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.sending import packed_model
from pytest_llm.models.origin import Origin, place_of, placeless_key

logger = logging.getLogger(__name__)

_DTYPES = ("float32", "bfloat16", "float16")
_numbers = count()


@dataclass
class Offer:
    """A model in one state. It does not hold the model, which may go while this is remembered."""

    name: str
    """Of this state, among all that were ever offered."""
    key: str | None
    """What an actor's copy has to be made of; None where that cannot be told."""
    place: str
    """Where the model computes here."""
    origin: Origin | None
    """Where actors load it; None: it is sent."""
    reference: Any = None
    """Of Ray, to the model in the object store, once it is there."""

    def given(self, ray: Any, model: Any) -> Any:
        """What an actor is handed."""
        if self.origin is not None:
            return self.origin
        if self.reference is None:
            self.reference = ray.put(packed_model(model))
        return self.reference

    def refused(self, origin: object) -> None:
        """An actor that was given this made another model of it: where that was loaded there, it is sent from now on.

        Raises:
            MisuseError: it was sent.
        """
        if origin is None:
            raise MisuseError(
                "a model is not the same in the actors of the cluster: it has hooks or replaced functions that exist in this "
                "process only, so ask it here, without a cluster"
            )
        if self.origin is not None:
            logger.info("a node has no model like the one from %s here: its weights are sent", self.origin.source)
        self.origin = None


class Offers:
    """Of all models that were asked: one that has not changed is offered as before."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, tuple[Hashable, Offer]] = WeakKeyDictionary()

    def offer(self, model: Any) -> Offer:
        """The model as it is now."""
        state = model.fingerprint() if hasattr(model, "fingerprint") else None
        try:
            known = self._known.get(model)
        except TypeError:  # nothing can refer to it weakly
            return _offer(model)
        if known is not None and state is not None and known[0] == state:
            return known[1]
        offer = _offer(model)
        self._known[model] = state, offer
        return offer


def _offer(model: Any) -> Offer:
    parts = getattr(getattr(model, "module", None), "hf_device_map", None) or {}
    if len(set(parts.values())) > 1:
        raise MisuseError(
            "a model that lies on several devices here (device_map) cannot be compared with what actors load: load it with "
            "device='cpu', and let each actor spread its own: Cluster(gpus=2), or --llm-ray-gpus 2"
        )
    key, origin = placeless_key(model), getattr(model, "origin", None)
    if origin is not None:
        dtype = str(model.module.dtype).removeprefix("torch.")
        # without a key nobody could tell that it was not changed since it was loaded
        origin = replace(origin, dtype=dtype) if key is not None and dtype in _DTYPES else None
    return Offer(f"model {next(_numbers)}", key, place_of(model), origin)
