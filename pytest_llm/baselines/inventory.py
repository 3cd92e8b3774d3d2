"""The baselines that are stored: finding them, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_llm.baselines.files import read
from pytest_llm.baselines.shelf import FOLDER, is_module_of
from pytest_llm.errors import MisuseError

_SUFFIXES = (".json", ".npz")


@dataclass(frozen=True, slots=True)
class Stored:
    """The place of one baseline: two files, of which one may be missing."""

    path: Path
    """The .json file, whether it is there or not."""

    @property
    def files(self) -> list[Path]:
        """The files that are there."""
        return [path for path in map(self.path.with_suffix, _SUFFIXES) if path.is_file()]

    @property
    def shelf(self) -> Path | None:
        """The folder `llm_baselines` that it stands in; None if it stands elsewhere."""
        return next((folder for folder in self.path.resolve().parents if folder.name == FOLDER), None)

    @property
    def name(self) -> str:
        """Which baseline of its test it is: `main`, `v1.0`; empty outside a shelf."""
        return "" if self.shelf is None else self.path.resolve().relative_to(self.shelf).parts[0]

    @property
    def gate(self) -> Path:
        """Which gate of which test it is of, as a path within its name."""
        return Path(self.path.name) if self.shelf is None else self.path.resolve().relative_to(self.shelf / self.name)


def baseline_at(path: Path) -> Stored:
    """The baseline that a file belongs to.

    Raises:
        MisuseError: it is no file of a baseline.
    """
    if path.suffix not in _SUFFIXES:
        raise MisuseError(f"{path} is no file of a baseline: these end in {' and '.join(_SUFFIXES)}")
    return Stored(path.with_suffix(".json"))


def baselines_below(folder: Path) -> list[Stored]:
    """All baselines in shelves (`llm_baselines`) below a folder, or in the shelf that it lies in; hidden folders are left out.

    Raises:
        MisuseError: there is no such folder.
    """
    if not folder.is_dir():
        raise MisuseError(f"there is no folder {folder.resolve()}")
    found = set()
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if FOLDER in Path(root).resolve().parts:
            files = (Path(root, name) for name in names if not name.startswith("."))
            found |= {Stored(path.with_suffix(".json")) for path in files if path.suffix in _SUFFIXES}
    return sorted(found, key=lambda one: one.path)


def baselines_named(name: str, folder: Path) -> list[Stored]:
    """All baselines of that name below a folder.

    Raises:
        MisuseError: there is none.
    """
    there = baselines_below(folder)
    if found := [one for one in there if one.name == name]:
        return found
    names = ", ".join(sorted({one.name for one in there})) or "none at all"
    raise MisuseError(f"{name!r} is neither a file nor the name of a baseline below {folder.resolve()}; there: {names}")


def baselines_by_gate(which: str, folder: Path) -> dict[Path, Stored]:
    """One baseline (its file), all below a folder, or all of a name, by what tells those apart that `which` names.

    Raises:
        MisuseError: there is none.
    """
    path = Path(which)
    if path.is_file():
        return {Path(): baseline_at(path)}
    if path.is_dir():
        # a copy of a shelf, or of a part of it, may stand anywhere
        if found := {file.relative_to(path): baseline_at(file) for file in path.rglob("*.npz")}:
            return found
        raise MisuseError(f"there is no baseline below {path.resolve()}")
    return {(one.shelf or folder).parent / one.gate: one for one in baselines_named(which, folder)}


def problems(stored: Stored) -> Iterator[str]:
    """What is wrong: a file that is missing or damaged, two that do not belong together, a test that is gone."""
    if not stored.path.is_file():
        yield f"there are only arrays: the {stored.path.name} that describes them is missing"
        return
    try:
        read(stored.path)
    except MisuseError as error:
        yield str(error)
    shelf = stored.shelf
    if shelf is None:
        return
    parts = stored.path.resolve().relative_to(shelf).parts
    if len(parts) != 3:
        yield f"it is at no place where a test looks: {FOLDER}/<name>/<test module>/<test>.<metric>@<device>.json"
    elif not any(is_module_of(parts[1], file) for file in shelf.parent.glob("*.py")):
        yield f"no test uses it any more: {shelf.parent} has no {parts[1]}.py"


def remove(stored: Stored) -> None:
    """Remove its files, and the folders of the shelf that are empty then."""
    for file in stored.files:
        file.unlink()
    if stored.shelf is None:
        return
    for folder in stored.path.resolve().parents:
        if not folder.is_relative_to(stored.shelf) or any(folder.iterdir()):
            return
        folder.rmdir()
