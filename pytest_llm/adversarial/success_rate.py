"""The success rate of an attack as a measurement, which is recorded, judged and judged again like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from pytest_llm.adversarial.attacking import Attack, Attacks, Known, attack_texts
from pytest_llm.adversarial.describing import Tokens, described
from pytest_llm.adversarial.operation import Operation
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.search.attack import Search
from pytest_llm.adversarial.table import Budget
from pytest_llm.adversarial.telling import tell_of_attacks
from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, clustered, describe, load_examples
from pytest_llm.data.sampling import described_part, drawn
from pytest_llm.inference.engine import Engine, using
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.comparison import ratio
from pytest_llm.metrics.settings import settings_of
from pytest_llm.models.language_model import identity, provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.recording import record_measurement
from pytest_llm.replaying import replaying
from pytest_llm.statistics.jackknife import Estimate, FloatArray, Scale, jackknife, sum_by_cluster
from pytest_llm.statistics.share import ShareEstimate
from pytest_llm.wording import listed

SHOWN = 2
"""So many counter-examples are shown in full."""


@dataclass(frozen=True)
class AttackSuccessRate:
    """Of the texts that the model has right without edits, the share that some edits break. From 0 to 1.

    Args:
        relation: what has to hold: its signature.
        operations: the names of the kinds of edits.
        search: how much of a text may be changed, and how hard each was attacked.
    """

    relation: str
    operations: tuple[str, ...]
    search: str

    name: ClassVar[str] = "attack_success_rate"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"
    task: ClassVar[None] = None
    counts: ClassVar[str] = "texts"

    def signature(self, window: int | None = None) -> str:
        del window
        return f"{self.relation}|edits:{'+'.join(self.operations)}|{self.search}"

    def statistics(self, example: Example, output: Attack) -> Sequence[float]:
        """(broken, known to break, holds for certain, searched in part, broke in the control, attacked), each 0 or 1."""
        del example
        if output.state == "skipped":
            return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        broken, known = output.state == "broken", bool(output.known)
        return tuple(map(float, (broken, known, output.exact and not broken, not output.exact, output.flips, True)))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., -1])

    def example_values(self, statistics: FloatArray) -> FloatArray:
        """1 for a text that broke, else 0."""
        values: FloatArray = statistics[..., 0]
        return values


def measure_attack(
    model: Model,
    data: Data,
    operations: Sequence[Operation],
    relation: Relation,
    *,
    budget: Budget,
    search: Search,
    engine: Engine | None = None,
    cluster: str | None = None,
    known: Known | None = None,
) -> tuple[Measurement, Attacks | None]:
    """Attack a model on each text, judge nothing. Texts that are known to break (see `attack_texts`) count in the rate.

    Returns:
        The measurement; and what was found, which there is none of when a record is judged again.
    """
    everything = clustered(load_examples(data), cluster)
    examples = tuple(everything[place] for place in drawn([example.id for example in everything]))
    names = tuple(sorted(operation.name for operation in operations))
    metric = AttackSuccessRate(relation.signature, names, _worded(budget, search))
    if (tape := replaying()) is not None:
        again = tape.measured(metric, examples, None)
        record_measurement(again)
        return again, None
    asked = as_language_model(model)
    with using(engine):
        attacks = attack_texts(asked, examples, operations, relation, budget=budget, search=search, known=known)
    statistics = np.array([metric.statistics(attack.example, attack) for attack in attacks.of_each], dtype=np.float64)
    left_out = len(everything) - len(examples)
    measurement = Measurement(
        metric=metric.name,
        value=float(metric.aggregate(statistics.sum(axis=0))),
        lower_is_better=True,
        estimate=estimate_of_rate(metric.aggregate, examples, statistics),
        examples=examples,
        statistics=statistics,
        example_values=metric.example_values(statistics),
        counts=metric.counts,
        signature=metric.signature(),
        data=described_part(describe(data), len(examples), left_out),
        provenance=provenance(asked),
        outputs=tuple(_became(attack) for attack in attacks.of_each),
        overview="\n".join(_overview(attacks, tokens_of(asked))),
        without_interval="it takes at least two texts that are independent of each other",
        row="text",
        aggregate=metric.aggregate,
        value_of_each=metric.example_values,
        identity=partial(identity, asked),
        left_out=left_out,
        settings=settings_of(metric),
    )
    record_measurement(measurement)
    tell_of_attacks(attacks)
    return measurement, attacks


def estimate_of_rate(
    aggregate: Callable[[FloatArray], FloatArray], examples: Sequence[Example], statistics: FloatArray
) -> Estimate | ShareEstimate | None:
    """How sure a rate is: by exact bounds where no two texts belong together, else by the jackknife over clusters."""
    places = [place for place, counts in enumerate(statistics[:, -1]) if counts]
    counted = [examples[place] for place in places]
    if len(counted) < 2 or not np.isfinite(statistics).all():
        return None
    if len({example.unit for example in counted}) == len(counted):
        return ShareEstimate(round(float(statistics[:, 0].sum())), len(counted))
    by_unit = sum_by_cluster(statistics[places], [example.unit for example in counted])
    return jackknife(by_unit, aggregate)


def _worded(budget: Budget, search: Search) -> str:
    """All of budget and search that changes what is found, as a part of a signature."""
    limits = {
        "most edits": budget.max_edits,
        "words": budget.max_words,
        "cost": budget.max_cost,
        "levenshtein": budget.max_levenshtein,
    }
    protected = [one if isinstance(one, str) else one.pattern for one in budget.protect]
    given = [f"{name}:{limit:g}" for name, limit in limits.items() if limit is not None]
    given += [f"protect:{'/'.join(protected)}"] * bool(protected)
    given += [f"{name}:{getattr(search, name)}" for name in ("queries", "beam", "width", "seed", "ranking")]
    return "|".join(given)


def _became(attack: Attack) -> str:
    """The outcome of one text, for records."""
    if attack.counter_example is not None:
        return f"broken: {attack.counter_example.script.perturbed}"
    if attack.known:
        return f"broken, as is known: {attack.known[0].perturbed}"
    return attack.state if attack.exact else f"{attack.state}, as far as was searched"


def _overview(attacks: Attacks, tokens: Tokens | None) -> Iterator[str]:
    """The shortest new counter-examples in full, who else broke, and what it took."""
    broken = [attack for attack in attacks.of_each if attack.counter_example is not None and not attack.known]
    broken.sort(key=_shortest_first)
    for attack in broken[:SHOWN]:
        assert attack.counter_example is not None
        yield from described(attack.counter_example, attack.example.label, tokens)
    if rest := [attack.example.label for attack in broken[SHOWN:]]:
        yield f"and {len(rest)} more: {listed(rest, 10)}"
    if others := [attack.example.label for attack in attacks.of_each if attack.breaks_otherwise]:
        yield f"known to break, and now by other edits too, no smaller ones: {listed(others, 10)}"
    asked = attacks.queries
    yield f"in all {asked.requested} texts requested, {asked.executed} executed, {asked.batches} batches"
    tried = [attack for attack in attacks.of_each if attack.state != "skipped"]
    yield f"control, without edits: {sum(attack.flips for attack in tried)} of {len(tried)} break"


def _shortest_first(attack: Attack) -> tuple[int, float]:
    assert attack.counter_example is not None
    return len(attack.counter_example.script), -attack.counter_example.smallest.loss


def tokens_of(model: Any) -> Tokens | None:
    """How the model cuts a text into tokens, each as text; None where it does not say."""
    tokenizer: Any = getattr(model, "tokenizer", None)
    if not hasattr(tokenizer, "decode"):
        return None

    def tokens(text: str) -> list[str]:
        return [tokenizer.decode([token]) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]

    return tokens
