"""A stored reference comes back as it was written, and whatever is not what it says is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.stored_reference import StoredReference, StoredText, read_reference, token_hash
from pytest_llm.errors import MisuseError

FIRST, SECOND = Example("a", "one two", "a"), Example("b", "three", "b")


def reference(kind: type = np.uint16) -> StoredReference:
    generator = np.random.default_rng(0)
    return StoredReference(
        model="a model, float32 on cpu",
        vocabulary=50,
        prefix_token=7,
        max_length=16,
        tokenizer_hash="abc",
        texts={
            "a": StoredText(fingerprint("one two"), token_hash([1, 2]), 0, 2),
            "b": StoredText(fingerprint("three"), token_hash([3]), 2, 1),
        },
        top_tokens=generator.integers(0, 50, (3, 4)).astype(kind),
        top_log_probs=generator.normal(size=(3, 4)).astype(np.float16),
        tail_log_prob=generator.normal(size=3).astype(np.float32),
        log_prob=generator.normal(size=3).astype(np.float32),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "reference.safetensors"
    reference().write(path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, Any]], None]) -> None:
    """The same file, but for one change that keeps its format."""
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    change(metadata, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_what_was_written_is_read(tmp_path: Path, kind: type) -> None:
    written = replace(reference(kind), top_log_probs=np.full((3, 4), -np.inf, np.float16))
    written.write(tmp_path / "new" / "it.safetensors")
    read = read_reference(tmp_path / "new" / "it.safetensors")
    assert read.name == "it.safetensors"
    for name in ("model", "vocabulary", "prefix_token", "max_length", "tokenizer_hash", "texts"):
        assert getattr(read, name) == getattr(written, name)
    for name in ("top_tokens", "top_log_probs", "tail_log_prob", "log_prob"):
        assert getattr(read, name).dtype == getattr(written, name).dtype
        assert np.array_equal(getattr(read, name), getattr(written, name))
    assert read.fingerprint() == written.fingerprint()


def test_the_file_holds_no_text(path: Path) -> None:
    content = path.read_bytes()
    assert b"one two" not in content
    assert b"three" not in content


def test_it_says_what_it_is(path: Path) -> None:
    read = read_reference(path)
    assert (read.top_k, read.form) == (4, "top-4")
    said = "reference.safetensors, 4 of 50 log-probabilities, of a model, float32 on cpu; KLD is a lower bound"
    assert str(read) == said
    whole = replace(read, vocabulary=4)
    assert str(whole) == "reference.safetensors, all log-probabilities, of a model, float32 on cpu"


def test_each_example_has_its_rows(path: Path) -> None:
    read = read_reference(path)
    assert read.rows_of(FIRST, [1, 2]) == slice(0, 2)
    assert read.rows_of(SECOND, [3]) == slice(2, 3)


@pytest.mark.parametrize(
    ("example", "tokens", "message"),
    [
        (Example("c", "four", "c"), [3], "reference.safetensors has nothing about example c: .* make it again"),
        (
            Example("b", "other", "b"),
            [3],
            "the text of example b is not the one that reference.safetensors was made of",
        ),
        (SECOND, [4], r"cuts the text of b into different tokens \(1\) than the model of reference.safetensors \(1\)"),
        (SECOND, [3, 4], r"different tokens \(2\) than"),
    ],
)
def test_what_it_does_not_know_is_refused(path: Path, example: Example, tokens: list[int], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_reference(path).rows_of(example, tokens)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"no reference at .*nothing.safetensors.* make it again with save_reference"):
        read_reference(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(MisuseError, match=r"reference.safetensors' is damaged \(.*\): make it again"):
        read_reference(path)


@pytest.mark.parametrize("place", range(1, 82, 10))
def test_a_flipped_bit_is_noticed(path: Path, place: int) -> None:
    """In each of the arrays: they are the last 60 bytes. And in the description before them."""
    content = bytearray(path.read_bytes())
    content[-place] ^= 1
    path.write_bytes(content)
    with pytest.raises(MisuseError, match="is damaged"):
        read_reference(path)


def test_a_changed_description_is_noticed(path: Path) -> None:
    def change(metadata: dict[str, str], tensors: dict[str, Any]) -> None:
        metadata["description"] = json.dumps({**json.loads(metadata["description"]), "max_length": 8})

    rewritten(path, change)
    with pytest.raises(MisuseError, match=r"is damaged \(its checksum is another one\)"):
        read_reference(path)


def test_a_file_without_one_of_its_arrays_is_refused(path: Path) -> None:
    rewritten(path, lambda metadata, tensors: tensors.pop("log_prob"))
    with pytest.raises(MisuseError, match=r"is damaged .*log_prob"):
        read_reference(path)


def test_another_version_is_named(path: Path) -> None:
    rewritten(path, lambda metadata, tensors: metadata.update(version="2"))
    with pytest.raises(MisuseError, match="is of version '2', and this release reads version '1'"):
        read_reference(path)


def test_weights_of_a_model_are_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.numpy.save({"weight": np.zeros(3, np.float32)}, {"format": "pt"}))
    with pytest.raises(MisuseError, match="was not written by save_reference; of a model's weights give the folder"):
        read_reference(path)


def test_a_write_that_fails_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pytest_llm.data.whole_file.os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        replace(reference(), vocabulary=60).write(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
