"""The size of a model as a measurement."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.inference import sizing
from pytest_llm.inference.sizing import measure_size
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording

FOLDER = embedded("models/tiny-decoder")


class Mine:
    """A model of somebody's own, of 4 + 2 numbers."""

    def __init__(self) -> None:
        self.module = nn.Linear(2, 2)

    def score(self, texts: Any) -> Any:
        raise AssertionError("nothing has to be asked")


def test_each_tensor_is_a_row_and_the_largest_ones_are_named() -> None:
    with recording() as recorder:
        measured = measure_size(Mine())
    assert (measured.metric, measured.value, measured.counts, measured.row) == ("parameters", 6, "parameters", "tensor")
    assert [(example.label, value) for example, value in measured.worst()] == [("weight", 4), ("bias", 2)]
    assert recorder.measurements == [measured]
    assert measure_size(Mine(), "memory").value == 24


def test_the_shipped_model(tiny: TransformersModel) -> None:
    assert measure_size(tiny).value == tiny.module.num_parameters()
    assert measure_size(tiny, "memory").metric == "bytes_in_memory"
    assert str(measure_size(tiny).provenance).startswith("tiny-decoder")


def test_a_path_is_not_loaded_for_its_size_on_disk(monkeypatch: pytest.MonkeyPatch, tiny: TransformersModel) -> None:
    loaded = measure_size(tiny, "disk")
    monkeypatch.setattr(sizing, "as_language_model", lambda _: pytest.fail("loaded"))
    expected = (FOLDER / "model.safetensors").stat().st_size
    for source in ("tiny-decoder", FOLDER, str(FOLDER)):
        assert measure_size(source, "disk").value == expected
    assert (loaded.value, loaded.metric, loaded.row) == (expected, "bytes_on_disk", "file")


def test_another_kind_of_size_is_refused() -> None:
    wrong: Any = "flops"
    with pytest.raises(MisuseError, match="of='flops': expected one of 'parameters', 'memory', 'disk'"):
        measure_size(Mine(), wrong)


def test_a_model_without_any_tensor_has_no_size() -> None:
    empty = Mine()
    empty.module = nn.Module()  # type: ignore[assignment]
    with pytest.raises(MisuseError, match="Mine has no tensors, so it has no size"):
        measure_size(empty)
