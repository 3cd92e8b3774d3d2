"""A model that ends its process: it imports little, so that actors with it start soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path


class Wounded:
    """Its process is killed by each text "once …" the first time, by the text "always" each time.

    Args:
        folder: what the processes with it know of each other.
        together: a process answers when so many have come to answer.
    """

    def __init__(self, folder: Path, *, together: int = 1) -> None:
        self.folder = folder
        self.together = together

    def fingerprint(self) -> str:
        return str(self.folder)

    def report(self, texts: Sequence[str]) -> list[tuple[str, int]]:
        """Each text, and the process that answers."""
        for text in texts:
            if text == "fail":
                raise ZeroDivisionError("the model's own mistake")
            if text == "always" or (text.startswith("once") and self._is_first(text)):
                os.kill(os.getpid(), signal.SIGKILL)
        self._wait_for_others()
        time.sleep(0.02)
        return [(text, os.getpid()) for text in texts]

    def _wait_for_others(self) -> None:
        self.folder.joinpath(f"process-{os.getpid()}").touch()
        last = time.monotonic() + 60
        while time.monotonic() < last and len(list(self.folder.glob("process-*"))) < self.together:
            time.sleep(0.01)

    def _is_first(self, text: str) -> bool:
        try:
            (self.folder / text).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def report(model: Wounded, texts: list[str]) -> list[tuple[str, int]]:
    return model.report(texts)
