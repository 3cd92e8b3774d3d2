"""Edits drawn by a `random.Random`: what an attack searches, as a way to augment the texts that a model learns from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from pytest_llm.adversarial.operation import Operation, checked_operations
from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table


def perturbation(operations: Sequence[Operation], budget: Budget | None = None) -> Callable[[str, random.Random], str]:
    """A function of a text and a `random.Random` that makes a few edits, as `finetuning.augmentation.augmented` takes it.

    From one edit to `budget.max_edits` are drawn, each number alike; for each a word, one of the operations that have
    something there, and one of its edits. Those that meet an earlier one, or exceed the budget, are left out.

    Args:
        operations: as `operations("typo", …)` finds them. Take none that may change the target.
        budget: at most 3 edits, if None.

    Returns:
        The function. A text for which nothing is proposed comes back as it is.

    Raises:
        MisuseError: no operation, two of one name, or something that is none.

    Example:
        >>> from pytest_llm.adversarial import operations
        >>> perturbation(operations("typo.swap"), Budget(max_edits=1))("a good film", random.Random(0))
        'a good flim'
    """
    chosen = checked_operations(operations)
    candidate_table("", chosen, budget)  # refuses now what it would refuse of each text

    @lru_cache(maxsize=1)  # copies of a text are drawn one after the other
    def table_of(text: str) -> CandidateTable:
        return candidate_table(text, chosen, budget)

    def perturbed(text: str, drawn: random.Random) -> str:
        table = table_of(text)
        sites = table.filled_sites
        if not sites:
            return text
        edits = []
        for _ in range(drawn.randint(1, table.budget.max_edits)):
            site, present = drawn.choice(sites)
            edits.append(drawn.choice(table.cells[drawn.choice(present), site]))
        return table.script(edits).perturbed

    return perturbed
