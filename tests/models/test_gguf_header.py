"""What a GGUF file announces beyond its size is refused before anybody reads it."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from pytest_llm.models.gguf_header import check_gguf
from pytest_llm.models.loading import load_model
from tests.models.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf").read_bytes()


def checked(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    check_gguf(path)


def replaced(content: bytes, offset: int, number: int) -> bytes:
    return content[:offset] + struct.pack("<Q", number) + content[offset + 8 :]


def after(content: bytes, text: str, more: int) -> int:
    """Where something stands behind a name."""
    return content.index(text.encode()) + len(text) + more


def test_a_sound_file_is_sound(tmp_path: Path, sound: bytes) -> None:
    checked(tmp_path / "tiny.gguf", sound)


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (
            "tokenizer.ggml.tokens",
            8,
            "it announces 1152921504606846976 elements of 'tokenizer.ggml.tokens', and * bytes are left",
        ),
        ("tokenizer.ggml.tokens", 16, "a text is announced at byte * and there are *"),
        (
            "tokenizer.ggml.scores",
            8,
            "it announces 1152921504606846976 elements of 'tokenizer.ggml.scores', and * bytes are left",
        ),
        ("token_embd.weight", 4, "tensor 'token_embd.weight' ends at byte * of *: the file is cut off"),
        ("token_embd.weight", 24, "tensor 'token_embd.weight' ends at byte * of *: the file is cut off"),
    ],
    ids=["texts", "length of a text", "numbers", "a dimension", "an offset"],
)
def test_absurd_numbers_are_refused(tmp_path: Path, sound: bytes, text: str, more: int, said: str) -> None:
    with pytest.raises(MisuseError) as caught:
        checked(tmp_path / "bomb.gguf", replaced(sound, after(sound, text, more), 2**60))
    pytest.LineMatcher([str(caught.value)]).fnmatch_lines([f"bomb.gguf is no sound GGUF file: {said}"])


@pytest.mark.parametrize(("offset", "what"), [(8, "tensors"), (16, "keys")])
def test_absurd_counts_are_refused(tmp_path: Path, sound: bytes, offset: int, what: str) -> None:
    with pytest.raises(MisuseError, match=f"it announces {2**60} {what}, and "):
        checked(tmp_path / "bomb.gguf", replaced(sound, offset, 2**60))


def test_arrays_in_arrays_end(tmp_path: Path) -> None:
    nested = struct.pack("<IQ", 9, 1) * 100_000
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 9)
    with pytest.raises(MisuseError, match="key 'a' has a value of type 9, at depth 4"):
        checked(tmp_path / "bomb.gguf", header + nested)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, sound: bytes, share: float) -> None:
    with pytest.raises(MisuseError, match=r"cut\.gguf is no sound GGUF file: "):
        checked(tmp_path / "cut.gguf", sound[: int(share * len(sound))])


@given(data=st.data())
def test_whatever_is_there_is_read_to_an_end_or_refused(
    tmp_path_factory: pytest.TempPathFactory, sound: bytes, data: st.DataObject
) -> None:
    content = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MisuseError):
        checked(
            tmp_path_factory.getbasetemp() / "mutated.gguf", bytes(content[: data.draw(st.integers(0, len(content)))])
        )


def test_it_is_asked_before_a_model_is_loaded(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "bomb.gguf"
    path.write_bytes(replaced(sound, 8, 2**60))
    with pytest.raises(MisuseError, match="it announces"):
        load_model(path, device="cpu")
