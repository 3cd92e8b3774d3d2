"""Where baselines are looked for, and which one is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.current import current_shelf, on_shelf
from pytest_llm.baselines.shelf import Shelf, shelf_for
from pytest_llm.data.provenance import Identity
from pytest_llm.errors import MisuseError
from tests.simulated_changes import documents, measured


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return shelf_for(tmp_path / "test_quality.py", "tests/test_quality.py::TestProse::test_it")


def stored(shelf: Shelf, *devices: str, gate: str = "perplexity") -> None:
    for device in devices:
        place = shelf.place("main", gate, device)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def test_a_baseline_lies_beside_its_test(shelf: Shelf, tmp_path: Path) -> None:
    expected = "llm_baselines/main/test_quality/TestProse.test_it.perplexity@cpu.json"
    assert shelf.place("main", "perplexity", "cpu") == tmp_path / expected


@pytest.mark.parametrize("test", ["test_it[a/b]", "test_it[../../etc]", "test_it[c:d]", "test_it[" + "x" * 400 + "]"])
def test_any_name_of_a_test_is_a_file_name(tmp_path: Path, test: str) -> None:
    place = shelf_for(tmp_path / "test_q.py", f"test_q.py::{test}").place("main", "perplexity", "cpu")
    place.parent.mkdir(parents=True)
    place.touch()
    assert place.resolve().parent == (tmp_path / "llm_baselines/main/test_q").resolve()


@pytest.mark.parametrize("letter", ["x", "ж", "文", "𠀀"])
def test_no_name_is_longer_than_file_systems_take(tmp_path: Path, letter: str) -> None:
    """A test, a key and a device that are each as long as they can be."""
    long = 400 * letter
    shelf = shelf_for(tmp_path / f"test_{60 * letter}.py", f"test_q.py::{long}")
    place = shelf.place(long, long, f"cuda-{long}")
    assert max(len(part.encode()) for part in place.parts) <= 255
    assert place.name.endswith(".json")
    assert place != shelf.place(long, f"{long}{letter}", f"cuda-{long}")
    stored(shelf, f"cuda-{long}", "cuda-other", gate="perplexity")
    assert shelf.find("main", "perplexity", f"cuda-{long}") == shelf.place("main", "perplexity", f"cuda-{long}")
    assert shelf.find("main", "perplexity", "cuda-other") == shelf.place("main", "perplexity", "cuda-other")


def test_names_that_read_alike_are_kept_apart(tmp_path: Path) -> None:
    first, second = (
        shelf_for(tmp_path / "test_q.py", f"test_q.py::test_it[{name}]").place("main", "bleu", "cpu")
        for name in ("a/b", "a:b")
    )
    assert first != second


@pytest.mark.parametrize(
    ("there", "device", "taken"),
    [
        (("cpu", "cuda-H100"), "cuda-H100", "cuda-H100"),
        (("cpu", "cuda-A100"), "cuda-H100", "cuda-A100"),  # one of its kind
        (("cpu", "mps"), "cuda-H100", "cpu"),
        (("cuda-H100", "mps"), "cpu", "cuda-H100"),  # any, rather than none
        ((), "cpu", None),
    ],
)
def test_the_best_match_is_taken(shelf: Shelf, there: tuple[str, ...], device: str, taken: str | None) -> None:
    stored(shelf, *there)
    found = shelf.find("main", "perplexity", device)
    assert (None if found is None else found.stem.rpartition("@")[2]) == taken


def test_the_baseline_of_another_gate_is_not_taken(shelf: Shelf) -> None:
    stored(shelf, "cpu", gate="perplexity_of_code")
    assert shelf.find("main", "perplexity", "cpu") is None


def test_a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    one, other = (shelf_for(tmp_path / "test_q.py", f"test_q.py::test_it[{name}]") for name in ("ab", "a"))
    stored(one, "cpu")
    assert other.find("main", "perplexity", "cpu") is None
    assert one.find("main", "perplexity", "cpu") == one.place("main", "perplexity", "cpu")


def test_two_gates_of_a_test_cannot_share_a_baseline(shelf: Shelf) -> None:
    place = shelf.place("main", "perplexity", "cpu")
    shelf.claim(place)
    with pytest.raises(
        MisuseError, match=r"two gates of tests/test_quality\.py::TestProse::test_it would share the baseline"
    ):
        shelf.claim(place)


def test_a_shelf_is_bound_for_a_while(shelf: Shelf) -> None:
    assert current_shelf() is None or current_shelf() is not shelf
    with on_shelf(lambda: shelf):
        assert current_shelf() is shelf
    assert current_shelf() is not shelf


def test_what_is_on_its_way_to_the_disk_is_read_as_if_it_were_there(tmp_path: Path) -> None:
    """Another process may write it: a later gate of the session, of the same test or another one, is none the wiser."""
    m = measured(documents(12, np.random.default_rng(1)))
    baseline = as_baseline(m, Identity("weights", "tokenizer"), {})
    sent: list[Path] = []
    first, later = (shelf_for(tmp_path / "test_q.py", "test_q.py::test_it") for _ in range(2))
    first.store = lambda path, _: sent.append(path)
    later.written = first.written
    place = first.place("main", "perplexity", "cpu")
    first.write(place, baseline)
    assert sent == [place]
    assert not place.exists()
    assert later.find("main", "perplexity", "cuda-H100") == place
    assert later.read(place) is baseline
    assert later.find("main", "perplexity_of_code", "cpu") is None
