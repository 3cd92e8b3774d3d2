"""Where the baselines of the running test are, and what may be written there.

    llm_baselines/<name>/<test module>/<test>.<metric>@<device>.json        beside the test's file

The pytest plugin binds a `Shelf` for each test (`current.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from pytest_llm.baselines.baseline import Baseline
from pytest_llm.baselines.current import Update
from pytest_llm.baselines.files import read, write
from pytest_llm.errors import MisuseError
from pytest_llm.tolerance import Tolerance

FOLDER = "llm_baselines"
MAIN = "main"
_MOST, _MOST_OF_GATE, _MOST_OF_DEVICE = 255, 200, 49
"""Bytes of a file's name, which file systems take, and of what stands in it before and behind `@`."""


@dataclass(slots=True)
class Shelf:
    """The baselines of one test."""

    folder: Path
    """`llm_baselines` beside the test's file."""
    test: str
    """`<module>/<test>`, as a path."""
    node_id: str
    update: Update | None = None
    anchor: str = ""
    """The baseline that the cumulative change is stated against, besides; empty: none."""
    strict: bool = False
    """Proof is asked for; see `Tolerance`."""
    gates: int = 1
    """Among how many gates alpha is shared."""
    calibrate: int = 0
    """How often a model is asked again to learn its run-to-run noise; 0: not at all."""
    used: set[Path] = field(default_factory=set)
    written: dict[Path, Baseline] = field(default_factory=dict)
    """What the session has recorded in this process: another one may write the files, and a little later."""
    store: Callable[[Path, Baseline], None] = write
    """Sees to it that a baseline is written."""

    def asks(self, tolerance: Tolerance) -> Tolerance:
        """What the session asks of a gate with this tolerance."""
        return replace(tolerance, strict=tolerance.strict or self.strict, gates=self.gates)

    def place(self, name: str, gate: str, device: str) -> Path:
        """Where the baseline of that name, gate and device belongs."""
        module, _, test = self.test.rpartition("/")
        file = f"{_fitting(f'{test}.{_safe(gate)}', _MOST_OF_GATE)}@{_device(device)}.json"
        return self.folder / _safe(name) / module / file

    def find(self, name: str, gate: str, device: str) -> Path | None:
        """The baseline of this device, else of one of its kind (`cuda-…`), else of the CPU, else of any; None if there is none.

        A baseline of another device is as good as the devices agree, which in float32 is far closer than any tolerance;
        a verdict says so where it was used.
        """
        own = self.place(name, gate, device)
        beginning = f"{own.name.rpartition('@')[0]}@"
        folder = _absolute(own.parent)
        recorded = {path for path in self.written if path.parent == folder and path.name.startswith(beginning)}
        there = sorted({*folder.glob(f"{_glob_safe(beginning)}*.json"), *recorded})
        kind = device.partition("-")[0]

        def rank(path: Path) -> tuple[bool, bool, bool]:
            of = path.stem.rpartition("@")[2]
            return of != _device(device), of.partition("-")[0] != kind, of != "cpu"

        return min(there, key=rank, default=None)

    def read(self, path: Path) -> Baseline:
        """What is stored there, or about to be.

        Raises:
            MisuseError: it cannot be read; see `files.read`.
        """
        return self.written.get(_absolute(path)) or read(path)

    def write(self, path: Path, baseline: Baseline) -> None:
        """Record a baseline there."""
        self.store(path, baseline)
        self.written[_absolute(path)] = baseline

    def claim(self, path: Path) -> None:
        """Take a place for one gate of the test.

        Raises:
            MisuseError: another gate of this test has it already.
        """
        if path in self.used:
            raise MisuseError(
                f"two gates of {self.node_id} would share the baseline {path.name}: give one of them a name of its own, "
                f"as in key='long texts'"
            )
        self.used.add(path)


def shelf_for(
    test_file: Path,
    node_id: str,
    *,
    update: Update | None = None,
    anchor: str = "",
    strict: bool = False,
    gates: int = 1,
    calibrate: int = 0,
) -> Shelf:
    """The shelf of a test, from its file and pytest's id of it."""
    test = node_id.split("::", 1)[1] if "::" in node_id else node_id
    place = f"{_safe(test_file.stem)}/{_safe(test)}"
    return Shelf(test_file.parent / FOLDER, place, node_id, update, anchor, strict, gates, calibrate)


def is_module_of(name: str, file: Path) -> bool:
    """Whether a folder of that name holds the baselines of the tests in a file."""
    return name == _safe(file.stem)


def _safe(name: str) -> str:
    """A file name that says the same: what no file system takes becomes `-`, and a hash keeps such names apart."""
    safe = re.sub(r"[^\w.=+-]+", "-", name.replace("::", "."))[:100]
    return _fitting(safe if safe == name.replace("::", ".") else f"{safe}-{_hash(name)}", _MOST)


def _device(device: str) -> str:
    return _fitting(_safe(device), _MOST_OF_DEVICE)


def _fitting(name: str, most_bytes: int) -> str:
    """The name, or its beginning and a hash: a letter may take four bytes."""
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= most_bytes:
        return name
    digest = _hash(name)
    return f"{encoded[: most_bytes - len(digest) - 1].decode('utf-8', 'ignore')}-{digest}"


def _hash(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _glob_safe(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)
