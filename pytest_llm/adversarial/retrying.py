"""Counter-examples of earlier runs, tried again before anything is searched for; and what a search found, kept for later ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_llm.adversarial.attacking import Attack, asked_alone
from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.current_corpus import CorpusOfTest
from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.rendering import visible
from pytest_llm.data.example import Example
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.language_model import AnyModel, provenance

CONTRACT, KEPT = "fixed_counter_examples", "free of what was fixed"


@dataclass(frozen=True)
class Retried:
    """What became of stored counter-examples."""

    examination: Examination | None
    """Its cases are those that must not fail: the fixed ones, or all that were asked for by their ids. None if there are none."""
    known: Mapping[str, tuple[EditScript, ...]]
    """By text the edits of those that may fail, and do."""


def retried(model: AnyModel, examples: Sequence[Example], relation: Relation, corpus: CorpusOfTest) -> Retried:
    """Ask about all stored counter-examples of a relation at once.

    One that does not do what it did is asked about by itself, as when it was found, and that counts. An entry whose text is not
    among the examples is left.
    """
    own = {example.text: example for example in examples}
    entries = corpus.usable(relation.name, own)
    if not entries:
        return Retried(None, {})
    relation = relation.fitted(examples)
    asked = list({entry.text: own[entry.text] for entry in entries}.values())
    of_text = dict(zip((seed.text for seed in asked), relation.outputs(model, asked), strict=True))
    seeds, clean = [own[entry.text] for entry in entries], [of_text[entry.text] for entry in entries]
    judged = relation.judged(model, seeds, clean, [entry.script.perturbed for entry in entries])
    cases: list[Case] = []
    known: dict[str, tuple[EditScript, ...]] = {}
    for entry, seed, before, (loss, shown) in zip(entries, seeds, clean, judged, strict=True):
        if relation.is_wrong(seed, before):
            corpus.counts["wrong without edits"] += 1
            continue
        if (loss > 0) is (entry.state == "fixed"):
            loss, shown = asked_alone(model, relation, seed, entry.script.perturbed)
        if corpus.replayed(entry, fails=loss > 0) or entry.state == "fixed" or corpus.only:
            again = "fails" if loss > 0 else "holds"
            finding = f"{entry.id} {again}: '{visible(entry.script.perturbed)}' gives {shown!r}"
            cases.append(Case(entry.id, max(float(loss), 0.0), finding, entry.text))
        elif loss > 0:
            known[entry.text] = (*known.get(entry.text, ()), entry.script)
    return Retried(_examination(model, relation, cases, corpus) if cases else None, known)


def _examination(model: AnyModel, relation: Relation, cases: Sequence[Case], corpus: CorpusOfTest) -> Examination:
    return Examination(
        CONTRACT,
        KEPT,
        tuple(cases),
        Tolerance(0.0, f"{relation.name} held on these", "it has to hold"),
        f"counter-examples of {corpus.path.name}",
        provenance(model),
        f"{CONTRACT}|{relation.signature}",
        None,
        (),
        f"pytest --llm-replay {cases[0].name} tries one alone; pytest-llm corpus accept, if it may fail",
    )


def keep(attacks: Iterable[Attack], relation: Relation, corpus: CorpusOfTest) -> None:
    """Take down what a search found and no stored counter-example that breaks the text explains."""
    stored = {entry.id for entry in corpus.of(relation.name)}
    for attack in attacks:
        found = attack.counter_example
        if found is None or (attack.known and not attack.breaks_otherwise):
            continue
        observed = f"{found.clean!r} became {found.smallest.observed!r}"[:200]
        model = {name: str(value) for name, value in found.model.items()}
        entry = Entry(corpus.test, found.script.text, found.script.edits, relation.name, observed=observed, model=model)
        if entry.is_short and entry.id not in stored:
            corpus.found(entry)
