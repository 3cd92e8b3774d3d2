"""An index names files of its folder, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.weights.files import read_tensors
from pytest_llm.transformer.weights.index import INDEX, shards


def test_without_an_index_there_is_one_file(tmp_path: Path) -> None:
    assert shards(tmp_path) == {"model.safetensors"}


def test_with_one_there_are_those_that_it_names(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(
        json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}})
    )
    assert shards(tmp_path) == {"1.safetensors", "2.safetensors"}


def test_a_file_elsewhere_is_not_read_nor_another_one_in_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(MisuseError, match=r"names the file '\.\./model\.safetensors', which is not one in the folder"):
        read_tensors(folder)
