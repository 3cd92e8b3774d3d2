"""A GGUF file is parsed once, and gives what the `gguf` package reads."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from pytest_llm.models.gguf_reading import read_once
from tests.models.tiny_gguf import write_tiny_gguf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def test_what_is_read_is_what_gguf_reads(file: Path) -> None:
    plain = gguf.GGUFReader(file)
    with read_once():
        quick = gguf.GGUFReader(file)
    assert list(quick.fields) == list(plain.fields)
    for name, field in plain.fields.items():
        assert quick.fields[name].contents() == field.contents()
        assert quick.fields[name].types == field.types
    assert [tensor.name for tensor in quick.tensors] == ["token_embd.weight"]
    assert np.array_equal(quick.tensors[0].data, plain.tensors[0].data)


def test_a_file_is_parsed_once_within_and_anew_afterwards(file: Path) -> None:
    with read_once():
        first = gguf.GGUFReader(str(file))
        assert gguf.GGUFReader(file) is first
    with read_once():
        assert gguf.GGUFReader(file) is not first


def test_names_are_mapped_as_by_gguf() -> None:
    plain = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    with read_once():
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
        assert gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2) is names
        assert gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 3) is not names
    assert names.mapping == plain.mapping


def test_everything_is_as_it_was_also_after_an_error(file: Path) -> None:
    usual = gguf.GGUFReader, gguf.get_tensor_name_map
    file.write_bytes(b"GGUF, but no more")
    with pytest.raises(ValueError, match=r"."), read_once():
        gguf.GGUFReader(file)
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == usual
