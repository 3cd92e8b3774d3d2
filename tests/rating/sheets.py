"""Outputs of two models, small enough to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llm.rating.answer_file import AnswerFile
from pytest_llm.rating.order import Order
from pytest_llm.rating.session import Session
from pytest_llm.rating.sheet import Item, Sheet

IDS = tuple(f"q{number}" for number in range(6))
PAIRS = Sheet(tuple(Item(name, f"prompt {name}", (f"NEW of {name}", f"OLD of {name}")) for name in IDS), ("new", "old"))
SCORED = Sheet(tuple(Item(name, f"prompt {name}", (f"output {name}",)) for name in IDS))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_pair(folder: Path, sheet: Sheet = PAIRS) -> tuple[Path, Path]:
    """The files that a sheet of pairs is read from."""
    one, other = (
        write_rows(
            folder / f"{name}.jsonl",
            [{"id": item.id, "prompt": item.prompt, "output": item.outputs[side]} for item in sheet.items],
        )
        for side, name in enumerate(sheet.candidates)
    )
    return one, other


def session_of(file: AnswerFile, sheet: Sheet = PAIRS, **order: Any) -> Session:
    """A session at noon."""
    return Session(
        sheet, Order(tuple(item.id for item in sheet.items), **order), file, lambda: "2026-01-01T12:00:00+00:00"
    )
