"""How a text is set."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.perturbations.format import FORMAT
from pytest_llm.adversarial.table import candidate_table


def perturbed(text: str, operation: str) -> list[str]:
    table = candidate_table(text, FORMAT)
    return [table.script([edit]).perturbed for edit in table if edit.operation == f"format.{operation}"]


@pytest.mark.parametrize(
    ("text", "operation", "made"),
    [
        ("One two.", "double_space", ["One  two."]),
        ("One two.", "trailing", ["One two. ", "One two.\n", "One two.  ", " One two."]),
        ("One two.", "space", ["One\u00a0two.", "One\ttwo."]),
        ("One two.", "newline", ["One\ntwo.", "One\r\ntwo."]),
        ("One two.", "final_mark", ["One two"]),
        ("One two", "final_mark", ["One two."]),
        ("好看", "final_mark", ["好看。"]),
        ('a "b" c', "quotes", ['a “b" c', 'a "b” c']),
        ("a “b” c", "quotes", ['a "b” c', 'a “b" c']),
        ("a - b", "dash", ["a – b", "a — b"]),
        ("看，好！", "halfwidth", ["看,好！", "看，好!"]),
        ("看,好!", "widened", ["看，好!", "看,好！"]),
        ("Look, good!", "widened", []),
        ("One", "double_space", []),
    ],
)
def test_each_kind(text: str, operation: str, made: list[str]) -> None:
    assert perturbed(text, operation) == made
