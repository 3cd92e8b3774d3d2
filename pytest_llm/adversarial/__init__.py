"""Inputs made to break what is tested, and shrunk to the smallest that does. The only part that knows Hypothesis.

Names are loaded when they are first used, as those of `pytest_llm` are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.adversarial.edit import Edit, EditScript
    from pytest_llm.adversarial.operation import Operation
    from pytest_llm.adversarial.perturbations.families import operations
    from pytest_llm.adversarial.sanitising import sanitise
    from pytest_llm.adversarial.strategies import edits, perturbed_texts, templates
    from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table
    from pytest_llm.adversarial.template import Filled, Template

_HOMES = {
    "Budget": "table",
    "CandidateTable": "table",
    "Edit": "edit",
    "EditScript": "edit",
    "Filled": "template",
    "Operation": "operation",
    "Template": "template",
    "candidate_table": "table",
    "edits": "strategies",
    "operations": "perturbations.families",
    "perturbed_texts": "strategies",
    "sanitise": "sanitising",
    "templates": "strategies",
}

__all__ = [
    "Budget",
    "CandidateTable",
    "Edit",
    "EditScript",
    "Filled",
    "Operation",
    "Template",
    "candidate_table",
    "edits",
    "operations",
    "perturbed_texts",
    "sanitise",
    "templates",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
