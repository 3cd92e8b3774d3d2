"""Two translations of the same Spanish verses, for people to say which is better.

    python examples/outputs_to_rate.py
    pytest-llm rate world_english.jsonl --against king_james.jsonl --out answers.jsonl

They are translations by people, because two that anybody would want to compare come with no small model: put outputs of two of your
models in their place. What people answer, a test gates:

    assert_preference_above("answers.jsonl", "world_english", against="king_james", confidence=0.95)
"""

import json
from pathlib import Path

from pytest_llm import embedded


def write_outputs(folder: Path) -> tuple[Path, Path]:
    """A file for each translation: id, prompt and output of each verse."""
    lines = embedded("data/translation_es_en.jsonl").read_text(encoding="utf-8").splitlines()
    king_james, world_english = folder / "king_james.jsonl", folder / "world_english.jsonl"
    for place, path in enumerate((king_james, world_english)):
        rows = (
            {"id": row["id"], "prompt": row["text"], "output": row["target"][place]} for row in map(json.loads, lines)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return king_james, world_english


if __name__ == "__main__":
    write_outputs(Path())
