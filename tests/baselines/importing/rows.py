"""The rows that the logs in `data/` are about: cut from what is shipped, the same each time."""

from __future__ import annotations

import json
from typing import Any

from pytest_llm import embedded


def shipped(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in embedded(f"data/{name}.jsonl").read_text(encoding="utf-8").splitlines()]


RADIO = shipped("multiple_choice")[:16]
"""Questions with four choices."""
OPENINGS = [{"id": row["id"], "text": " ".join(row["text"].split()[:40])} for row in shipped("held_out")[:12]]
"""The first 40 words of chapters."""
NEXT_WORD = [
    {"id": row["id"], "text": " ".join(row["text"].split()[20:50]), "target": row["text"].split()[50]}
    for row in shipped("held_out")[:16]
]
"""30 words of a chapter, and the word that follows."""
TASKS = {"radio": RADIO, "openings": OPENINGS, "next_word": NEXT_WORD}
