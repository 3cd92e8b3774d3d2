"""Counter-examples of earlier runs, tried again before anything is searched for; and what a search found, kept for later ones."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.adversarial.attacking import Attacks
from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.current_corpus import CorpusOfTest
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.rendering import visible
from pytest_llm.contract import Case, Examination, Tolerance
from pytest_llm.data.example import Example
from pytest_llm.models.language_model import AnyModel, provenance

CONTRACT, KEPT = "fixed_counter_examples", "free of what was fixed"


def retried(
    model: AnyModel, examples: Sequence[Example], relation: Relation, corpus: CorpusOfTest
) -> Examination | None:
    """Ask about all stored counter-examples of a relation at once; those that must not fail are the examination's cases.

    These are the entries that were fixed, or all that were asked for by their ids. An entry whose text is no longer among the
    examples is stale, which is said.

    Returns:
        None where there is none that must not fail.
    """
    own = {example.text: example for example in examples}
    entries = [entry for entry in corpus.usable(relation.name) if _is_among(entry, own, corpus)]
    if not entries:
        return None
    relation = relation.fitted(examples)
    asked = list({entry.text: own[entry.text] for entry in entries}.values())
    of_text = dict(zip((seed.text for seed in asked), relation.outputs(model, asked), strict=True))
    seeds, clean = [own[entry.text] for entry in entries], [of_text[entry.text] for entry in entries]
    judged = relation.judged(model, seeds, clean, [entry.script.perturbed for entry in entries])
    cases = []
    for entry, seed, before, (loss, shown) in zip(entries, seeds, clean, judged, strict=True):
        if relation.is_wrong(seed, before):
            corpus.counts["wrong without edits"] += 1
            continue
        if corpus.replayed(entry, fails=loss > 0) or entry.state == "fixed" or corpus.only:
            again = "fails" if loss > 0 else "holds"
            finding = f"{entry.id} {again}: '{visible(entry.script.perturbed)}' gives {shown!r}"
            cases.append(Case(entry.id, max(float(loss), 0.0), finding, entry.text))
    if not cases:
        return None
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


def keep(attacks: Attacks, relation: Relation, corpus: CorpusOfTest) -> None:
    """Take down what a search found and no stored counter-example explains."""
    stored = corpus.of(relation.name)
    for attack in attacks.of_each:
        found = attack.counter_example
        if found is None or any(entry.explains(found.script) for entry in stored):
            continue
        observed = f"{found.clean!r} became {found.smallest.observed!r}"[:200]
        model = {name: str(value) for name, value in found.model.items()}
        entry = Entry(corpus.test, found.script.text, found.script.edits, relation.name, observed=observed, model=model)
        if entry.is_short:
            corpus.found(entry)


def _is_among(entry: Entry, own: dict[str, Example], corpus: CorpusOfTest) -> bool:
    if entry.text in own:
        return True
    corpus.stale(entry, "its text is no longer among the data")
    return False
