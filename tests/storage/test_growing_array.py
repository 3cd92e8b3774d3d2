"""An array that grows is the concatenated array, wherever it lies, and a folder without room is named."""

from __future__ import annotations

import gc
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from numpy.typing import NDArray

from pytest_llm.errors import MisuseError
from pytest_llm.storage import growing_array
from pytest_llm.storage.growing_array import GrowingArray, parts, whole

KINDS = st.sampled_from([np.float64, np.uint64, np.uint8])
ROW = st.sampled_from([(), (1,), (3,)])


@st.composite
def pieces(draw: st.DrawFn) -> list[NDArray[Any]]:
    kind, row = draw(KINDS), draw(ROW)
    sizes = draw(st.lists(st.integers(0, 5), min_size=1))
    return [draw(of_numpy.arrays(kind, (size, *row))) for size in sizes]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where files lie beyond 100 bytes; they have no names."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 100)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def grown(count: int) -> GrowingArray[np.float64]:
    made = GrowingArray(np.float64)
    for first in range(0, count, 10):
        made.extend(np.arange(first, min(first + 10, count), dtype=np.float64))
    return made


@given(pieces(), st.sampled_from([0, 1, 40, 10**6]), st.integers(1, 7), st.data())
def test_it_is_the_concatenated_array_bit_for_bit(
    given_pieces: list[NDArray[Any]], most_in_memory: int, at_once: int, data: st.DataObject
) -> None:
    expected = np.concatenate(given_pieces)
    made = GrowingArray(expected.dtype.type)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing_array, "MOST_IN_MEMORY", most_in_memory)
        patch.setattr(growing_array, "AT_ONCE", at_once)
        for piece in given_pieces:
            made.extend(piece)
            first, end = data.draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
            so_far = expected[: len(made)]
            assert made[first:end].tobytes() == so_far[first:end].tobytes()  # to read in between changes nothing
        assert len(made) == len(expected)
        for found in (made[:], whole(made), np.concatenate([made[:0], *parts(made)])):
            assert (found.dtype, found.tobytes()) == (expected.dtype, expected.tobytes())
            assert found.shape == expected.shape or not len(expected)
        assert all(len(part) <= at_once for part in parts(made))


@pytest.mark.filterwarnings("error")
def test_the_file_goes_with_it(tiny: Path) -> None:
    made = grown(1000)
    file = made._file
    assert os.fstat(file.fileno()).st_size == 8000
    assert not made._held
    everything = made.whole()
    del made
    gc.collect()
    assert file.closed
    assert everything.tolist() == list(range(1000))  # which stays as long as it is looked at


def test_nothing_is_on_disk_below_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**settings: Any) -> NoReturn:
        raise AssertionError("a file was asked for")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 8000)
    assert grown(1000).whole().tolist() == list(range(1000))
    with pytest.raises(AssertionError, match="a file was asked for"):
        grown(1001)


@pytest.mark.parametrize("room", [0, 44, 2004])
def test_a_folder_without_room_is_named(tiny: Path, room: int) -> None:
    """The limit on the size of files is met as a full disk is: a write takes a part, and the next one fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(MisuseError) as caught:
            grown(1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"the temporary file for what is kept of the examples cannot be used, in {tiny}: File too large (after "
        f"{max(80, room // 80 * 80):,} bytes); make room there, or let TMPDIR name a folder with more"
    )


def test_a_folder_that_is_not_there_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tiny / "gone"))
    with pytest.raises(MisuseError, match=rf"in {tiny}/gone: No such file or directory .* let TMPDIR name a folder"):
        grown(1000)


@pytest.mark.usefixtures("tiny")
def test_no_folder_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_usable() -> NoReturn:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", none_usable)
    with pytest.raises(
        MisuseError, match=r"no folder for temporary files: No usable .* in \['/tmp'\]; let TMPDIR name one"
    ):
        grown(1000)


@pytest.mark.usefixtures("tiny")
def test_a_file_that_lost_its_end_is_no_number() -> None:
    made = grown(1000)
    os.ftruncate(made._file.fileno(), 4000)
    with pytest.raises(MisuseError, match="it is shorter than what was written"):
        made[400:600]
