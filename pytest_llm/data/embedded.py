"""The small models and texts that come with the plugin: the checkout's `fixtures/`, or their copy in the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def embedded(name: str) -> Path:
    """The path of something that is shipped, such as `models/tiny-decoder` or `data/held_out.jsonl`.

    Raises:
        FileNotFoundError: nothing of that name is shipped.
    """
    for root in (_PACKAGE / "embedded", _PACKAGE.parent / "fixtures"):
        if (path := root / name).exists():
            return path
    raise FileNotFoundError(f"nothing called {name!r} is shipped with pytest-llm-regression")
