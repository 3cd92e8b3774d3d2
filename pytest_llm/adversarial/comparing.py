"""Two models under the same attack: which texts each loses, and whether what breaks one breaks the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pytest_llm.adversarial.attacking import Attack, Attacks
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.success_rate import estimate_of_rate
from pytest_llm.errors import MisuseError
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import Measurement
from pytest_llm.models.language_model import AnyModel
from pytest_llm.wording import number


def compared(new: Measurement, old: Measurement, notes: Sequence[str] = ()) -> Comparison:
    """The new model's rate beside the old one's, on the texts that both have right without edits.

    Raises:
        MisuseError: there are none.
    """
    places = [place for place, both in enumerate(new.statistics[:, -1] * old.statistics[:, -1]) if both]
    if not places:
        raise MisuseError("no text is right for both models without edits, so there is nothing to compare")
    own, others = (_broken(m, places) for m in (new, old))
    assert new.aggregate is not None
    examples = tuple(new.examples[place] for place in places)
    measurement = replace(
        new,
        value=float(new.aggregate(own.sum(axis=0))),
        examples=examples,
        statistics=own,
        example_values=own[:, 0],
        estimate=estimate_of_rate(new.aggregate, examples, own),
        outputs=None if new.outputs is None else tuple(new.outputs[place] for place in places),
    )
    lost, known = own[:, 0] > others[:, 0], new.statistics[places, 1] > 0
    by_itself = f"by itself {number(new.value)}, the old model {number(old.value)}, each of the texts that it has right"
    return Comparison(
        measurement,
        "the old model",
        others,
        origin=str(old.provenance),
        notes=(by_itself, *notes, *(f"broken {line}" for line in new.overview.splitlines())),
        accept="raise tolerance=",
        aside=_aside(measurement, known & lost),
        excused=bool(lost.any()) and not bool((lost & ~known).any()),
    )


def lost(new: Attacks, old: Attacks) -> Iterator[Attack]:
    """What became of the texts that the new model loses and the old one does not."""
    held = {attack.example.id for attack in old.of_each if attack.state == "held"}
    return (attack for attack in new.of_each if attack.state == "broken" and attack.example.id in held)


def _aside(m: Measurement, known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    if not known.any():
        return ""
    without = number(m.value - float(known.mean()))
    return f"{int(known.sum())} texts lost that known counter-examples break: {number(m.value)} with them, {without} without"


def transfers(relation: Relation, new: tuple[AnyModel, Attacks], old: tuple[AnyModel, Attacks]) -> Iterator[str]:
    """Of the edits that break one model, how many break the other one too: two lines."""
    for name, model, attacks in (("old", new[0], old[1]), ("new", old[0], new[1])):
        found = [(one.example, one.counter_example) for one in attacks.of_each if one.counter_example is not None]
        if not found:
            continue
        examples = [example for example, _ in found]
        fitted = relation.fitted([attack.example for attack in attacks.of_each])
        clean = fitted.outputs(model, examples)
        judged = fitted.judged(model, examples, clean, [counter.script.perturbed for _, counter in found])
        broken = sum(loss > 0 for loss, _ in judged)
        yield f"{broken} of the {len(found)} counter-examples of the {name} model break the other one too"


def _broken(m: Measurement, places: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Of each of these texts whether it broke, and 1."""
    return np.stack([m.statistics[places, 0], np.ones(len(places))], axis=1)
