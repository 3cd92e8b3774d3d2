"""How large models are, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.models.size import bytes_in_memory, in_memory, on_disk, parameters, source_of
from pytest_llm.models.transformers_model import TransformersModel


class Holder:
    def __init__(self, module: Any) -> None:
        self.module = module


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10)
        self.head.weight = self.embed.weight
        self.register_buffer("saved", torch.zeros(7, dtype=torch.float64))
        self.register_buffer("kept", torch.zeros(5, dtype=torch.int8), persistent=False)


def test_tied_weights_count_once_and_buffers_are_no_parameters() -> None:
    assert parameters(Holder(Tied())) == {"embed.weight": 40, "head.bias": 10}


def test_in_memory_everything_counts_by_its_type() -> None:
    assert in_memory(Holder(Tied())) == {"embed.weight": 160, "head.bias": 40, "saved": 56, "kept": 5}
    assert in_memory(Holder(Tied().to(torch.float16)))["embed.weight"] == 80


def test_views_of_one_storage_count_once() -> None:
    module = nn.Module()
    storage = torch.zeros(100)
    module.first, module.second = nn.Parameter(storage[:60]), nn.Parameter(storage[60:])
    assert sum(in_memory(Holder(module)).values()) == pytest.approx(400)


def test_a_place_counts_what_is_there() -> None:
    assert bytes_in_memory(Holder(Tied()), "host") == 261
    assert bytes_in_memory(Holder(Tied()), "device") == 0
    assert bytes_in_memory(object(), "host") == 0


def test_tensors_without_data_are_parameters_and_take_nothing() -> None:
    with torch.device("meta"):
        absent = Holder(Tied())
    assert parameters(absent) == {"embed.weight": 40, "head.bias": 10}
    assert in_memory(absent) == {}


def test_what_a_quantised_layer_packs_counts_too() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair = (torch.zeros(6, dtype=torch.int8), torch.zeros(2))

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            destination[f"{prefix}packed"] = (*self.pair, None)

    module = nn.Sequential(Packed())
    assert parameters(Holder(module)) == {"0.packed.0": 6, "0.packed.1": 2}
    assert sum(in_memory(Holder(module)).values()) == 14


def test_two_numbers_in_a_byte_are_two_parameters() -> None:
    class Params4bit(nn.Parameter):  # as of bitsandbytes
        pass

    module = nn.Module()
    module.weight = Params4bit(torch.zeros(8, dtype=torch.uint8), requires_grad=False)
    assert parameters(Holder(module)) == {"weight": 16}
    assert in_memory(Holder(module)) == {"weight": 8}


def test_the_shipped_model_has_as_many_as_transformers_says(tiny: TransformersModel) -> None:
    assert sum(parameters(tiny).values()) == tiny.module.num_parameters()
    assert sum(in_memory(tiny).values()) >= tiny.module.get_memory_footprint()
    assert source_of(tiny) == embedded("models/tiny-decoder")


def test_on_disk_only_what_loading_reads_counts(tmp_path: Path) -> None:
    for name, size in {"a.safetensors": 30, "b.safetensors": 4, "pytorch_model.bin": 33, "tokenizer.json": 9}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert on_disk(tmp_path) == {"a.safetensors": 30, "b.safetensors": 4}
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).unlink()
    assert on_disk(tmp_path) == {"pytorch_model.bin": 33}
    assert on_disk(tmp_path / "tokenizer.json") == {"tokenizer.json": 9}
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(MisuseError, match="no weights"):
        on_disk(tmp_path)


def test_a_gguf_file_is_where_its_model_is_from(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"x")
    model = Holder(nn.Linear(1, 1))
    model.module.name_or_path = str(tmp_path)
    assert source_of(model) == tmp_path
    model.name = "m.gguf"  # type: ignore[attr-defined]
    assert source_of(model) == tmp_path / "m.gguf"


@pytest.mark.parametrize("origin", [None, "", "org/model", "/no/such/folder"])
def test_a_model_from_no_folder_is_refused(origin: str | None) -> None:
    model = Holder(nn.Linear(1, 1))
    model.module.name_or_path = origin
    with pytest.raises(MisuseError, match="Holder does not say which folder it is from"):
        source_of(model)


def test_an_object_without_tensors_is_refused() -> None:
    with pytest.raises(MisuseError, match="object has no torch module whose tensors could be counted"):
        parameters(object())
