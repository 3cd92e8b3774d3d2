"""Edits ranked by gradients: of a relation, what the model reads and what an edit should make improbable."""

from __future__ import annotations

from typing import Any

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.relations.label import InvariantLabel, likeliest
from pytest_llm.adversarial.relations.likelihood import BoundedLoss
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.search.ranking import Gains
from pytest_llm.adversarial.table import CandidateTable
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.models.language_model import AnyModel
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.prompt import Prompt


def foretold(model: AnyModel, relation: Relation, example: Example, clean: Any, table: CandidateTable) -> Gains:
    """How much each edit alone is foretold to move the answer away from the clean one, in nats.

    Raises:
        MisuseError: a relation or a model that has no gradient for this.
    """
    from pytest_llm.models.first_order import continuation_gains, label_gains  # torch

    edits = list(table)
    texts = [EditScript(table.text, (edit,)).perturbed for edit in edits]
    if isinstance(relation, BoundedLoss):
        gains = continuation_gains(model, table.text, texts, example.target)
    elif isinstance(relation, InvariantLabel) and not isinstance(relation.task, Choose):
        label, words = likeliest(clean), relation.task.words
        if words is None:
            gains = label_gains(model, table.text, texts, label)
        else:
            prompt = relation.task.choose.prompt
            assert isinstance(prompt, Prompt)
            read = [prompt.text(example.with_text(text)) for text in (table.text, *texts)]
            gains = continuation_gains(model, read[0], read[1:], relation.task.delimiter + words[label])
    else:
        raise MisuseError(
            f"ranking='gradients' knows of InvariantLabel and BoundedLoss, not of {relation.name}: leave it at 'words'"
        )
    return dict(zip(edits, gains.tolist(), strict=True))
