"""What stands where a model would while a record is judged again."""

from __future__ import annotations

from typing import NoReturn

from pytest_llm.errors import MisuseError
from pytest_llm.replaying import replaying


class NotAskedError(MisuseError, AttributeError):
    """A model was asked while a record is judged again. An AttributeError too: it has no such method, as `hasattr` finds."""

    __module__ = "pytest_llm"


class RecordedModel:
    """It can be handed to assertions, and asked for nothing itself."""

    @property
    def device(self) -> str:
        """Where the model was that was recorded."""
        tape = replaying()
        return "cpu" if tape is None else tape.device()

    def __getattr__(self, name: str) -> NoReturn:
        raise NotAskedError(
            f"under --llm-rejudge there is no model that could be asked for {name!r}: only what assertions and `measure` found "
            f"is in the record; run this test with its model"
        )
