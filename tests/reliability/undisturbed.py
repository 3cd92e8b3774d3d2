"""The small project before and after a run that nothing happens to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tests.reliability import left
from tests.reliability.runs import Forks
from tests.reliability.small_project import small_project

BEFORE, AFTER = 1, 2
"""States of the model: what was recorded is of the first one; runs that are disturbed ask the second."""


class Undisturbed:
    """A project in which everything is recorded, of a model that has changed since; and what a run makes of it."""

    def __init__(self, forks: Forks, folder: Path) -> None:
        self._before = small_project(folder / "before" / "project")
        forks.run(self._before, state=BEFORE, code=None)
        self.answers_before = left.answers_kept(self._before)
        self.files_before = left.kept_files(self._before)
        after, operations = self.copy(folder / "after"), folder / "operations"
        forks.run(after, state=AFTER, counted=[str(operations)])
        self.asked = left.asked(after)
        self.files, self.numbers, self.verdicts = left.kept_files(after), left.numbers(after), left.verdicts(after)
        self.operations = operations.read_text(encoding="utf-8").splitlines()
        began = time.monotonic()
        forks.run(after, state=AFTER)
        self.seconds = time.monotonic() - began
        self.asked_again = left.asked(after)
        """Of a model that has answered everything: what is asked each time."""

    def mixed(self, files: Mapping[str, bytes]) -> list[str]:
        """Those that are neither what they were before, nor what an undisturbed run makes of them."""
        return [name for name, new in self.files.items() if files[name] not in (new, self.files_before[name])]

    def copy(self, folder: Path) -> Path:
        """The project as it is before the run, in a folder that is made."""
        shutil.copytree(self._before.parent, folder)
        project = folder / "project"
        left.asked(project)
        return project
