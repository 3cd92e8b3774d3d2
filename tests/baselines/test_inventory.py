"""Which baselines are there, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.files import write
from pytest_llm.baselines.inventory import Stored, baseline_at, baselines_below, problems, remove
from pytest_llm.baselines.shelf import shelf_for
from pytest_llm.data.provenance import Identity
from pytest_llm.errors import MisuseError
from tests.simulated_changes import documents, measured


def stored(folder: Path, test_file: str = "test_prose.py", name: str = "main") -> Stored:
    """A sound baseline of a test in a file of that name, which exists."""
    (folder / test_file).touch()
    path = shelf_for(folder / test_file, f"{test_file}::test_it").place(name, "perplexity", "cpu")
    write(path, as_baseline(measured(documents(12, np.random.default_rng(1))), Identity(), {}))
    return Stored(path)


def test_baselines_are_found_in_shelves_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    here, there, _ = stored(tmp_path), stored(tmp_path / "deep", name="v1.0"), stored(tmp_path / ".hidden")
    (tmp_path / "package.json").write_text("{}")
    assert baselines_below(tmp_path) == sorted([here, there], key=lambda one: one.path)
    assert baselines_below(there.path.parent) == [there]
    assert (here.name, there.name) == ("main", "v1.0")


def test_a_sound_one_has_no_problem(tmp_path: Path) -> None:
    assert list(problems(stored(tmp_path))) == []
    assert list(problems(stored(tmp_path, "test of ünusual names.py"))) == []


def test_arrays_without_a_description_are_told(tmp_path: Path) -> None:
    one = stored(tmp_path)
    one.path.unlink()
    assert baselines_below(tmp_path) == [one]
    (problem,) = problems(one)
    assert "test_it.perplexity@cpu.json that describes them is missing" in problem


def test_a_description_without_arrays_is_told(tmp_path: Path) -> None:
    one = stored(tmp_path)
    one.path.with_suffix(".npz").unlink()
    (problem,) = problems(one)
    assert "cannot be read (FileNotFoundError" in problem


def test_a_test_file_that_is_gone_is_told(tmp_path: Path) -> None:
    one = stored(tmp_path)
    (tmp_path / "test_prose.py").rename(tmp_path / "test_verse.py")
    (problem,) = problems(one)
    assert problem == f"no test uses it any more: {tmp_path} has no test_prose.py"


def test_a_file_where_no_test_looks_is_told(tmp_path: Path) -> None:
    one = stored(tmp_path)
    moved = Stored(one.path.parents[1] / one.path.name)
    for file in one.files:
        file.rename(moved.path.with_suffix(file.suffix))
    (problem,) = problems(moved)
    assert "at no place where a test looks" in problem


def test_a_baseline_outside_a_shelf_is_judged_by_its_files_alone(tmp_path: Path) -> None:
    one = stored(tmp_path)
    away = Stored(tmp_path / "kept.json")
    for file in one.files:
        file.rename(away.path.with_suffix(file.suffix))
    assert list(problems(away)) == []
    remove(away)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["test_prose.py"]


def test_a_baseline_is_named_by_either_of_its_files(tmp_path: Path) -> None:
    one = stored(tmp_path)
    assert baseline_at(one.path) == baseline_at(one.path.with_suffix(".npz")) == one
    with pytest.raises(MisuseError, match=r"test_prose\.py is no file of a baseline"):
        baseline_at(tmp_path / "test_prose.py")


def test_removing_one_leaves_its_neighbours(tmp_path: Path) -> None:
    gone, kept = stored(tmp_path), stored(tmp_path, "test_verse.py")
    remove(gone)
    assert baselines_below(tmp_path) == [kept]
    remove(kept)
    assert not (tmp_path / "llm_baselines").exists()
