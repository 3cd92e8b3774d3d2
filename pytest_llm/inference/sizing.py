"""The size of a model as a measurement: one row for each tensor or file, so that a report names the largest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.models.language_model import provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.models.size import in_memory, on_disk, parameters, source_of
from pytest_llm.models.sources import checkpoint_at
from pytest_llm.recording import record_measurement
from pytest_llm.replaying import replaying

Size: TypeAlias = Literal["parameters", "memory", "disk"]

_NAMES = {"parameters": "parameters", "memory": "bytes_in_memory", "disk": "bytes_on_disk"}


def measure_size(model: Model, of: Size = "parameters") -> Measurement:
    """How large a model is.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object whose attribute `module` is a torch module. For its
            size on disk a path is enough: nothing is loaded.
        of: "parameters", their number, tied ones once; "memory", bytes of parameters and buffers as they are loaded; "disk",
            bytes of the files with weights.

    Raises:
        MisuseError: nothing that could be counted.
    """
    if of not in _NAMES:
        raise MisuseError(f"of={of!r}: expected one of {', '.join(map(repr, _NAMES))}")
    if (tape := replaying()) is not None:
        stored = tape.counted(_NAMES[of], _NAMES[of])
        record_measurement(stored)
        return stored
    folder = checkpoint_at(str(model)) if of == "disk" and isinstance(model, str | Path) else None
    if folder is not None:
        sizes, origin, data = on_disk(folder), Provenance(str(model)), folder.name
    else:
        loaded = as_language_model(model)
        origin, data = provenance(loaded), str(getattr(loaded, "name", type(loaded).__name__))
        match of:
            case "parameters":
                sizes = parameters(loaded)
            case "memory":
                sizes = in_memory(loaded)
            case "disk":
                sizes = on_disk(source_of(loaded))
    if not sizes:
        raise MisuseError(f"{data} has no tensors, so it has no size")
    values = np.array(list(sizes.values()), dtype=np.float64)
    measurement = Measurement(
        metric=_NAMES[of],
        value=float(values.sum()),
        lower_is_better=True,
        estimate=None,
        examples=tuple(Example(name, name, name) for name in sizes),
        statistics=values[:, None],
        example_values=values,
        counts="parameters" if of == "parameters" else "bytes",
        signature=_NAMES[of],
        data=data,
        provenance=origin,
        without_interval="this is counted, not estimated",
        row="file" if of == "disk" else "tensor",
    )
    record_measurement(measurement)
    return measurement
