"""A folder from a stranger: what is refused before anything of it is loaded."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.models import checkpoint_files
from pytest_llm.models.checkpoint_files import check_folder
from pytest_llm.models.loading import load_model
from pytest_llm.transformer.weights import index
from pytest_llm.transformer.weights.index import INDEX


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded("models/tiny-decoder"), tmp_path / "checkpoint"))


def state(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.parametrize("name", ["tiny-decoder", "tiny-encoder", "tiny-encoder-decoder"])
def test_what_is_shipped_is_accepted(name: str) -> None:
    check_folder(embedded(f"models/{name}"))


@pytest.mark.minilm
def test_a_published_checkpoint_is_accepted() -> None:
    from pytest_llm.models.sources import minilm_folder

    check_folder(minilm_folder())


# --- nothing outside of the folder is read


def test_a_link_that_leads_out_is_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("PRIVATE KEY", encoding="utf-8")
    (folder / "chat_template.jinja").symlink_to(secret)
    with pytest.raises(
        MisuseError, match=r"^chat_template\.jinja in .* is a link to .*id_rsa', outside of the folder: put"
    ) as caught:
        load_model(folder, device="cpu")
    assert "PRIVATE KEY" not in str(caught.value)


def test_a_folder_that_is_a_link_and_leads_out_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MisuseError, match=r"^1_Pooling in .* is a link to .*elsewhere', outside of the folder: put"):
        check_folder(folder)


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "weights").mkdir()
    (folder / "model.safetensors").rename(folder / "weights" / "blob")
    (folder / "model.safetensors").symlink_to(folder / "weights" / "blob")
    check_folder(folder)


def test_the_folder_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(folder)
    check_folder(tmp_path / "latest")


def test_the_layout_of_the_hub_s_cache_is_accepted(folder: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        shutil.copy(file, blobs / f"sha-{file.name}")
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", f"sha-{file.name}"))
    check_folder(snapshot)


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd"])
def test_an_index_names_files_of_the_folder_alone(folder: Path, name: str) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a.weight": name}}), encoding="utf-8")
    with pytest.raises(
        MisuseError, match=r"model\.safetensors\.index\.json in .* names the file .*, which is not one in the"
    ):
        check_folder(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": {"a": 1}}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / INDEX).write_text(content, encoding="utf-8")
    with pytest.raises(MisuseError, match=r"index\.json"):
        check_folder(folder)


# --- nothing is read or made that is out of proportion


def test_a_file_that_is_read_whole_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "MOST_BYTES", 2**20)
    with (folder / "tokenizer.json").open("ab") as stream:
        stream.truncate(2**21)
    with pytest.raises(
        MisuseError, match=r"tokenizer\.json in .* has 2 MiB; of a file that is read whole 1 MiB are accepted"
    ):
        load_model(folder, device="cpu")


def test_an_index_is_bounded_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read before the folder is looked through: it says which files belong to it."""
    monkeypatch.setattr(index, "MOST_BYTES", 100)
    (folder / INDEX).write_text(f'{{"weight_map": {{}}}}{" " * 100}')
    with pytest.raises(MisuseError, match=r"does not say in which file .*: it has 118 bytes; 100 are accepted"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers is 1000000, and there are [0-9]+ tensors"),
        (
            {"vocab_size": 2_000_000_000},
            "vocab_size of 2000000000 times a width of [0-9]+ is more than the [0-9]+ numbers",
        ),
        ({"intermediate_size": 2**40}, "intermediate_size of"),
        ({"text_config": {"num_hidden_layers": 1_000_000}}, "num_hidden_layers is 1000000"),
    ],
)
def test_a_configuration_out_of_proportion_is_refused(folder: Path, changes: dict[str, Any], said: str) -> None:
    state(folder, **changes)
    with pytest.raises(MisuseError, match=f"config.json in .* does not belong to the weights beside it: {said}"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("length", [2**63, 2**40, 10**8])
def test_an_absurd_header_of_safetensors_is_refused(folder: Path, length: int) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(MisuseError, match=r"model\.safetensors in .* cannot be read as safetensors"):
        load_model(folder, device="cpu")


def test_a_tensor_that_is_larger_than_its_file_is_refused(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(MisuseError, match=r"model\.safetensors in .* cannot be read as safetensors"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000])
def test_a_configuration_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(MisuseError, match=r"config\.json"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("name", ["vocab.json", "model-2.safetensors"])
@pytest.mark.parametrize("target", ["gone", "itself"])
def test_a_link_that_leads_nowhere_is_refused_by_name(folder: Path, name: str, target: str) -> None:
    (folder / name).symlink_to(folder / (name if target == "itself" else target))
    with pytest.raises(MisuseError, match=rf"^{name} in .* is no file, or a link to one that is not there"):
        check_folder(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_nobody_waits_at_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "more.safetensors")
    with pytest.raises(MisuseError, match=r"^more\.safetensors in .* is no file"):
        check_folder(folder)
