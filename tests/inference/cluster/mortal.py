"""A model that ends its process: it imports little, so that actors with it start soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path


class Wounded:
    """Its process is killed by each text "once …" the first time, by the text "always" each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fingerprint(self) -> str:
        return str(self.folder)

    def report(self, texts: Sequence[str]) -> list[tuple[str, int]]:
        """Each text, and the process that answers."""
        for text in texts:
            if text == "fail":
                raise ZeroDivisionError("the model's own mistake")
            if text == "always" or (text.startswith("once") and self._is_first(text)):
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return [(text, os.getpid()) for text in texts]

    def _is_first(self, text: str) -> bool:
        try:
            (self.folder / text).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def report(model: Wounded, texts: list[str]) -> list[tuple[str, int]]:
    return model.report(texts)
