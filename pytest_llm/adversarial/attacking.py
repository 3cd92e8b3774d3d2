"""A model attacked on many texts: searched in lockstep, what was found asked again by itself, and a control without edits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pytest_llm.adversarial.counter_example import CounterExample, Finding, Queries
from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.foretelling import foretold
from pytest_llm.adversarial.operation import Operation
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.search.attack import Search, State, attack
from pytest_llm.adversarial.search.lockstep import Asked, Scorer, in_lockstep
from pytest_llm.adversarial.search.ranking import Gains
from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.memo import remembering, repeating
from pytest_llm.models.language_model import AnyModel, identity, provenance

Known: TypeAlias = Mapping[str, Sequence[EditScript]]
"""By text stored counter-examples that break it."""


@dataclass(frozen=True)
class Attack:
    """What became of one example."""

    example: Example
    state: State
    exact: bool
    """Whether that is certain: broken, skipped, or all scripts of the budget were tried."""
    queries: Queries
    flips: bool = False
    """Whether the relation broke without an edit too, when the text was asked about again in another batch."""
    counter_example: CounterExample | None = None
    """The smallest that was found; None if it holds, or if only what is known breaks it."""
    known: tuple[EditScript, ...] = ()
    """Stored counter-examples that break it too, and are no larger: then it is no news that it breaks."""

    @property
    def breaks_otherwise(self) -> bool:
        """Whether edits that contain none of those that are known break it too."""
        found = self.counter_example
        return found is not None and bool(self.known) and not any(found.script.contains(one) for one in self.known)


@dataclass(frozen=True)
class Attacks:
    """What became of all of them."""

    of_each: tuple[Attack, ...]
    queries: Queries
    """What all searches together asked."""


def attack_texts(
    model: AnyModel,
    examples: Sequence[Example],
    operations: Sequence[Operation],
    relation: Relation,
    *,
    budget: Budget,
    search: Search,
    known: Known | None = None,
) -> Attacks:
    """Search each text for the smallest edits that break a relation.

    What was found counts only if the model answers so as well when it is asked about that text alone: batches of another shape
    round otherwise, and a relation may break by that next to a tie.

    *What is known* breaks a text as well as what is found, and the search is the same. A text counts as known to break if a stored
    counter-example breaks it with edits as few and as mild as those of the smallest that was found, or fewer. Another edit of that
    size is no news: which one a search comes across depends on its order and on rounding, and a text counts once however many
    break it. Fewer or milder edits are news.

    Args:
        model: who is asked.
        examples: the texts; those that are wrong without any edit are skipped.
        operations: the kinds of edits.
        relation: what has to hold.
        budget: how much of a text may be changed.
        search: how hard each text is attacked.
        known: by text the stored counter-examples that break it now; those that are not of this attack have no part in it.

    Raises:
        MisuseError: edits that change the meaning, of a relation that can be asked for only where it is kept.
    """
    _refuse_unfit(operations, relation)
    relation = relation.fitted(examples)
    answers = relation.outputs(model, examples)
    right = [not relation.is_wrong(example, answer) for example, answer in zip(examples, answers, strict=True)]
    seeds = [example for example, is_right in zip(examples, right, strict=True) if is_right]
    clean = [answer for answer, is_right in zip(answers, right, strict=True) if is_right]

    def judged(asked: Sequence[Asked]) -> list[tuple[float, Any]]:
        return relation.judged(
            model, [seeds[i] for i, _ in asked], [clean[i] for i, _ in asked], [text for _, text in asked]
        )

    scorer = Scorer(judged)
    tables = [candidate_table(seed.text, operations, budget) for seed in seeds]
    gains: list[Gains | None] = [None] * len(seeds)
    if search.ranking == "gradients":
        gains = [foretold(model, relation, *about) for about in zip(seeds, clean, tables, strict=True)]
    outcomes = in_lockstep([attack(table, search, own) for table, own in zip(tables, gains, strict=True)], scorer)
    flips = _flips(model, relation, seeds, clean)
    asked_of = _described(model) if any(outcome.smallest for outcome in outcomes) else {}

    attacks: dict[str, Attack] = {}
    for place, (seed, outcome) in enumerate(zip(seeds, outcomes, strict=True)):
        found, state, exact = None, outcome.state, outcome.exact
        if outcome.smallest is not None and outcome.worst is not None:
            if asked_alone(model, relation, seed, outcome.smallest.perturbed)[0] > 0:
                found = CounterExample(
                    Finding(outcome.smallest, *scorer.known(place, outcome.smallest.perturbed)),
                    Finding(outcome.worst, *scorer.known(place, outcome.worst.perturbed)),
                    relation.name,
                    relation.settings,
                    relation.shown(seed, clean[place]),
                    outcome.minimality,
                    scorer.queries(place),
                    confirmed=True,
                    example=seed.id,
                    model=asked_of,
                )
            else:
                state, exact = "held", False
        became = Attack(seed, state, exact, scorer.queries(place), flips[place], found)
        attacks[seed.id] = _known_to_break(became, tables[place], (known or {}).get(seed.text, ()))
    of_each = (attacks.get(example.id, Attack(example, "skipped", True, Queries())) for example in examples)
    return Attacks(tuple(of_each), scorer.total)


def _known_to_break(attack: Attack, table: CandidateTable, known: Sequence[EditScript]) -> Attack:
    """The attack with those of the stored scripts that are of it, and take no more than what was found."""
    if attack.state == "skipped":
        return attack
    most = (math.inf, math.inf) if attack.counter_example is None else table.size(attack.counter_example.script)
    stored = tuple(script for script in known if table.takes(script) and table.size(script) <= most)
    return replace(attack, state="broken", known=stored) if stored else attack


def _flips(model: AnyModel, relation: Relation, seeds: Sequence[Example], clean: Sequence[Any]) -> list[bool]:
    """The control: which texts break the relation without an edit, asked about anew and in another order."""
    if not seeds:
        return []
    backwards = list(seeds)[::-1]
    with remembering(), repeating(1):
        judged = relation.judged(model, backwards, list(clean)[::-1], [seed.text for seed in backwards])
    return [loss > 0 for loss, _ in judged][::-1]


def asked_alone(model: AnyModel, relation: Relation, seed: Example, perturbed: str) -> tuple[float, Any]:
    """Loss and shown answer if both texts are read by themselves."""
    with remembering():
        [clean] = relation.outputs(model, [seed])
        [judged] = relation.judged(model, [seed], [clean], [perturbed])
    return judged


def _described(model: AnyModel) -> dict[str, str]:
    origin = provenance(model)
    return {"name": origin.model, "dtype": origin.dtype, "device": origin.device, "weights": identity(model).weights}


def _refuse_unfit(operations: Sequence[Operation], relation: Relation) -> None:
    changing = [operation.name for operation in operations if operation.preserves == "no"]
    if relation.keeps_meaning and changing:
        raise MisuseError(
            f"{', '.join(changing)} may change what a text means, so that {relation.name} cannot be asked for: leave these out, or "
            f"take a relation such as MonotonicProbability or BoundedDrop"
        )
