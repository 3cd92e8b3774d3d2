"""Inputs made to break what is tested, and shrunk to the smallest that does. The only part that knows Hypothesis.

Names are loaded when they are first used, as those of `pytest_llm` are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llm.lazy_names import lazy_names

if TYPE_CHECKING:
    from pytest_llm.adversarial.counter_example import CounterExample
    from pytest_llm.adversarial.edit import Edit, EditScript
    from pytest_llm.adversarial.operation import Operation
    from pytest_llm.adversarial.perturbations.character import TYPOS
    from pytest_llm.adversarial.perturbations.families import operations
    from pytest_llm.adversarial.perturbations.format import FORMAT
    from pytest_llm.adversarial.perturbations.length import Context, context
    from pytest_llm.adversarial.perturbations.meaning import MEANING
    from pytest_llm.adversarial.perturbations.prompt import PROMPTS, PromptFormat
    from pytest_llm.adversarial.perturbations.sentence import SENTENCES
    from pytest_llm.adversarial.perturbations.token import (
        faint_ids,
        insert_ids,
        retokenize,
        special_strings,
        unreachable_ids,
    )
    from pytest_llm.adversarial.perturbations.unicode import UNICODE
    from pytest_llm.adversarial.perturbations.word import WORDS
    from pytest_llm.adversarial.perturbing import perturbation
    from pytest_llm.adversarial.prompt_strategies import contexts, prompt_formats, token_edits
    from pytest_llm.adversarial.relations.generation import ConsistentGeneration
    from pytest_llm.adversarial.relations.label import InvariantLabel, MonotonicProbability, NoLabelRegression
    from pytest_llm.adversarial.relations.likelihood import BoundedDivergence, BoundedLoss
    from pytest_llm.adversarial.relations.relation import Relation
    from pytest_llm.adversarial.relations.value import BoundedDrop, NoRegression
    from pytest_llm.adversarial.sanitising import sanitise
    from pytest_llm.adversarial.search.attack import Search
    from pytest_llm.adversarial.strategies import edits, perturbed_texts, templates
    from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table
    from pytest_llm.adversarial.task_strategies import choice_orders, label_words, shot_orders
    from pytest_llm.adversarial.template import Filled, Template
    from pytest_llm.adversarial.token_edit import TokenEdit, TokenOperation, TokenScript

_HOMES = {
    "BoundedDivergence": "relations.likelihood",
    "BoundedDrop": "relations.value",
    "BoundedLoss": "relations.likelihood",
    "Budget": "table",
    "CandidateTable": "table",
    "ConsistentGeneration": "relations.generation",
    "Context": "perturbations.length",
    "CounterExample": "counter_example",
    "Edit": "edit",
    "EditScript": "edit",
    "FORMAT": "perturbations.format",
    "Filled": "template",
    "InvariantLabel": "relations.label",
    "MEANING": "perturbations.meaning",
    "MonotonicProbability": "relations.label",
    "NoLabelRegression": "relations.label",
    "NoRegression": "relations.value",
    "Operation": "operation",
    "PROMPTS": "perturbations.prompt",
    "PromptFormat": "perturbations.prompt",
    "Relation": "relations.relation",
    "SENTENCES": "perturbations.sentence",
    "Search": "search.attack",
    "TYPOS": "perturbations.character",
    "Template": "template",
    "TokenEdit": "token_edit",
    "TokenOperation": "token_edit",
    "TokenScript": "token_edit",
    "UNICODE": "perturbations.unicode",
    "WORDS": "perturbations.word",
    "candidate_table": "table",
    "choice_orders": "task_strategies",
    "context": "perturbations.length",
    "contexts": "prompt_strategies",
    "edits": "strategies",
    "faint_ids": "perturbations.token",
    "insert_ids": "perturbations.token",
    "label_words": "task_strategies",
    "operations": "perturbations.families",
    "perturbation": "perturbing",
    "perturbed_texts": "strategies",
    "prompt_formats": "prompt_strategies",
    "retokenize": "perturbations.token",
    "sanitise": "sanitising",
    "shot_orders": "task_strategies",
    "special_strings": "perturbations.token",
    "templates": "strategies",
    "token_edits": "prompt_strategies",
    "unreachable_ids": "perturbations.token",
}

__all__ = [
    "FORMAT",
    "MEANING",
    "PROMPTS",
    "SENTENCES",
    "TYPOS",
    "UNICODE",
    "WORDS",
    "BoundedDivergence",
    "BoundedDrop",
    "BoundedLoss",
    "Budget",
    "CandidateTable",
    "ConsistentGeneration",
    "Context",
    "CounterExample",
    "Edit",
    "EditScript",
    "Filled",
    "InvariantLabel",
    "MonotonicProbability",
    "NoLabelRegression",
    "NoRegression",
    "Operation",
    "PromptFormat",
    "Relation",
    "Search",
    "Template",
    "TokenEdit",
    "TokenOperation",
    "TokenScript",
    "candidate_table",
    "choice_orders",
    "context",
    "contexts",
    "edits",
    "faint_ids",
    "insert_ids",
    "label_words",
    "operations",
    "perturbation",
    "perturbed_texts",
    "prompt_formats",
    "retokenize",
    "sanitise",
    "shot_orders",
    "special_strings",
    "templates",
    "token_edits",
    "unreachable_ids",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
