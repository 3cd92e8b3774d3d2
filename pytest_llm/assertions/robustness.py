"""Assertions about robustness: what becomes of a model's answers when texts are edited as people, or adversaries, edit them.

The edits come from `pytest_llm.adversarial.perturbations`, what has to hold from `pytest_llm.adversarial.relations`. Each text is
searched for the smallest edits that break it; the gate is on the share of texts for which there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from pytest_llm.adversarial.attacking import Known
from pytest_llm.adversarial.comparing import compared, lost, transfers
from pytest_llm.adversarial.current_corpus import CorpusOfTest, current_corpus
from pytest_llm.adversarial.functionality import FailureRate
from pytest_llm.adversarial.operation import Operation
from pytest_llm.adversarial.perturbations.families import operations
from pytest_llm.adversarial.relations.label import InvariantLabel
from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.adversarial.retrying import keep, retried
from pytest_llm.adversarial.search.attack import Search
from pytest_llm.adversarial.success_rate import estimate_of_rate, measure_attack
from pytest_llm.adversarial.table import Budget
from pytest_llm.assertions.gate import assertion, conclude
from pytest_llm.baselines.current import current_shelf
from pytest_llm.data.loading import Data, load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine, using
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.judging.contract import judge_contract
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import judge_change
from pytest_llm.judging.robustness import RateClaim, judge_rate
from pytest_llm.judging.verdict import Verdict
from pytest_llm.models.language_model import AnyModel
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.recording import recording
from pytest_llm.replaying import replaying
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.generate import Generate
from pytest_llm.tolerance import Tolerance, parse_amount

Edits: TypeAlias = "str | Operation | Iterable[str | Operation]"
"""Kinds of edits: operations, or names of them or of families, such as "typo" and "unicode.zerowidth"."""


@assertion
def assert_robust(
    model: Model,
    data: Data,
    *,
    attack: Edits,
    relation: Relation | None = None,
    max_success_rate: float = 0.0,
    budget: Budget | None = None,
    queries: int = 300,
    alpha: float = 0.05,
    strict: bool = False,
    confidence: float | None = None,
    seed: int = 0,
    search: Search | None = None,
    engine: Engine | None = None,
    cluster: str | None = None,
) -> Measurement:
    """Assert that edits of a text break a relation for no more than a share of the texts.

    Each text that the model has right is searched for the smallest edits that break the relation: words are ranked by leaving them
    out, the most promising edits are tried first, and what is found is made smaller until no edit can be left out. All texts are
    searched side by side, so that the model reads large batches. The rate is `broken / attacked`; texts that are wrong without
    an edit are skipped.

    *What it says.* A search finds what it finds: the rate is a lower bound of what a better attack would reach. Where all edits
    that the budget allows were tried on every text that holds, it is exact, and the verdict says which of the two it is. What was
    found counts only if the model answers so too when it reads that text alone. As a control all texts are asked about again
    without edits; a rate that is not above the control's is none.

    *When it fails.* If more texts break than `max_success_rate` allows, and texts of that rate would show as many with
    probability below `alpha` (exact binomial test; Clopper & Pearson 1934). A rate that is higher and may be chance passes
    as suspect, with a `MetricWarning`.

    *What is known.* Counter-examples that are stored beside the test (`llm_corpus/`) are tried first. One that was fixed and breaks
    again is a failure by itself, whatever the rate. A text that an open or accepted one breaks as easily as anything that was
    found, by as few and as mild edits, is known to break; a rate over `max_success_rate` fails only if other texts break too:

    - Another edit of that size is no news: which one a search comes across depends on its order and on rounding, and a text counts
      once. Fewer or milder edits are news, and once the stored one holds, it excuses nothing.
    - The rate is of all texts, known to break or not, as are its interval and p: they speak of texts like these, which have no
      corpus. So what is known uses up what is allowed: under a limit of 0.2, 30 % that are known leave no room for anything new.
    - With `confidence` nothing is set aside, since that asks for a proof about other texts.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with the method that the relation's task needs.
        data: texts or rows; with targets, texts that the model has wrong are skipped.
        attack: kinds of edits, such as "typo", ["typo", "unicode.zerowidth"], or operations of your own.
        relation: what has to hold; by default that the label of the model's classification head stays. See
            `adversarial.relations`.
        max_success_rate: the highest share of broken texts that passes.
        budget: how much of a text may be changed; by default 3 edits.
        queries: how many edited texts are tried of each text at most; what makes a script smaller comes on top.
        alpha: how often texts of the allowed rate may fail.
        strict: fail at any higher rate on these texts, whatever chance may have to do with it.
        confidence: 0.95 demands proof that the rate of this search on texts like these is at most the allowed one.
        seed: in which order equally promising edits are tried.
        search: all settings of the search, in the place of `queries` and `seed`.
        engine: how the model is asked; None: as the session does.
        cluster: the column of the rows that says which texts belong together, and are no proof of each other.

    Returns:
        The measurement of the rate; `outputs` says of each text what became of it.

    Raises:
        QualityError: too many texts break; the message shows the shortest counter-examples.
        MisuseError: (a ValueError) no such edits, edits that do not fit the relation, a model that cannot be asked so.

    Example:
        >>> assert_robust("./sentiment", "reviews.jsonl", attack="typo", max_success_rate=0.2)  # doctest: +SKIP
    """
    claim = _claim(max_success_rate, alpha, strict, confidence)
    data = list(data) if isinstance(data, Iterator) else data
    relation = InvariantLabel() if relation is None else relation
    asked, corpus = as_language_model(model), _corpus()
    known, held = _retried(asked, data, relation, corpus, engine)
    if corpus is not None and corpus.only and held is not None:
        return held
    measurement, attacks = measure_attack(
        asked,
        data,
        _operations(attack),
        relation,
        budget=Budget() if budget is None else budget,
        search=Search(queries=queries, seed=seed) if search is None else search,
        engine=engine,
        cluster=cluster,
        known=known,
    )
    if corpus is not None and attacks is not None:
        keep(attacks.of_each, relation, corpus)
    return _concluded(judge_rate(measurement, claim), corpus)


@assertion
def assert_minimum_functionality(
    model: Answers,
    cases: Questions,
    *,
    max_failure_rate: float = 0.0,
    task: Classify | Choose | Generate | None = None,
    alpha: float = 0.05,
    strict: bool = False,
    confidence: float | None = None,
    engine: Engine | None = None,
    cluster: str | None = None,
) -> Measurement:
    """Assert that a model has simple cases right: a minimum functionality test (Ribeiro et al. 2020, CheckList).

    A case is a text that is as plain as what it tests, such as "I did not like the food.", with the answer that it has to get. The
    rate is `wrong / cases`. Cases made of one template have much in common: give each template's its cluster, so that chance is
    counted by templates.

    Args:
        model: what answers; or the answers, one for each case.
        cases: rows with a `text` and a `target`: the label, the number of the right choice, or the text to be written.
        max_failure_rate: the highest share of wrong answers that passes.
        task: how the model is asked; by default its classification head. What is written has to be the target, word for word.
        alpha: how often cases of the allowed rate may fail.
        strict: as in `assert_robust`.
        confidence: as in `assert_robust`.
        engine: how the model is asked; None: as the session does.
        cluster: the column of the rows that says which cases belong together.

    Raises:
        QualityError: too many cases are wrong; the message lists some.
        MisuseError: (a ValueError) cases without a target, a model that cannot be asked so.

    Example:
        >>> cases = [{"text": f"I {verb} it.", "target": "negative"} for verb in ("hate", "dislike")]
        >>> assert_minimum_functionality("./sentiment", cases)  # doctest: +SKIP
    """
    claim = _claim(max_failure_rate, alpha, strict, confidence)
    metric = FailureRate(Classify() if task is None else task)
    measurement = measure(model, cases, metric, engine=engine, cluster=cluster)
    estimate = estimate_of_rate(metric.aggregate, measurement.examples, measurement.statistics)
    return conclude(judge_rate(replace(measurement, estimate=estimate), claim))


@assertion
def assert_no_robustness_regression(
    model: Model,
    old: Model,
    data: Data,
    *,
    attack: Edits,
    relation: Relation | None = None,
    tolerance: str | float = "5pp",
    alpha: float = 0.05,
    budget: Budget | None = None,
    queries: int = 300,
    seed: int = 0,
    engine: Engine | None = None,
    cluster: str | None = None,
) -> Measurement:
    """Assert that edits do not break a model on more texts than they break the one it replaces.

    Both are attacked with the same edits of the same texts, and compared on those that both have right without edits. It fails
    only if the success rate has risen by more than `tolerance`, and as many texts change to the worse, among all that change, with
    probability below `alpha` if each were a fair coin (McNemar's exact test); a rise that may be chance passes as suspect. The
    message says too how many of the edits that break one model break the other one (transfer).

    Counter-examples are kept of the texts that the new model loses, and those stored are tried first, as `assert_robust` does: one
    that was fixed must not break the new model again, and a rise that is too large fails only if it loses a text anew.

    Args:
        model: the new model.
        old: the one before it.
        data: texts or rows.
        attack: as in `assert_robust`, and so all that follow but two.
        relation: what has to hold of each model by itself.
        tolerance: how much higher the rate may be: "5pp" is 0.05.
        alpha: how often a model that is no worse may fail.
        budget: how much of a text may be changed.
        queries: how many edited texts are tried of each text and model.
        seed: in which order equally promising edits are tried.
        engine: how the models are asked.
        cluster: the column of the rows that says which texts belong together.

    Returns:
        The measurement of the new model, on the texts that both have right.

    Raises:
        QualityError: the new model is broken more often.
        MisuseError: (a ValueError) see `assert_robust`; or no text that both have right.
    """
    claim = Tolerance(parse_amount("tolerance", tolerance), alpha)
    if (shelf := current_shelf()) is not None:
        claim = shelf.asks(claim)
    settings: dict[str, Any] = {
        "operations": _operations(attack),
        "relation": InvariantLabel() if relation is None else relation,
        "budget": Budget() if budget is None else budget,
        "search": Search(queries=queries, seed=seed),
        "engine": engine,
        "cluster": cluster,
    }
    rows: Data = list(data) if isinstance(data, Iterator) else data  # both have to answer them
    new, before = as_language_model(model), as_language_model(old)
    corpus = _corpus()
    known, held = _retried(new, rows, settings["relation"], corpus, engine)
    if corpus is not None and corpus.only and held is not None:
        return held
    with recording():  # what is measured of the old model is no result of this test
        of_old, attacks_on_old = measure_attack(before, rows, **settings)
    of_new, attacks_on_new = measure_attack(new, rows, known=known, **settings)
    notes: list[str] = []
    if attacks_on_old is not None and attacks_on_new is not None:
        notes += transfers(settings["relation"], (new, attacks_on_new), (before, attacks_on_old))
        if corpus is not None:
            keep(lost(attacks_on_new, attacks_on_old), settings["relation"], corpus)
    return _concluded(judge_change(compared(of_new, of_old, notes), claim), corpus)


def _corpus() -> CorpusOfTest | None:
    """The test's counter-examples; None where no model is asked."""
    return None if replaying() is not None else current_corpus()


def _retried(
    model: AnyModel, data: Data, relation: Relation, corpus: CorpusOfTest | None, engine: Engine | None
) -> tuple[Known, Measurement | None]:
    """What is known to break, and what became of that which must not, if there is such.

    Raises:
        QualityError: something that was fixed breaks again.
    """
    if corpus is None or not corpus.of(relation.name):
        return {}, None
    with using(engine):
        again = retried(model, load_examples(data), relation, corpus)
    return again.known, None if again.examination is None else conclude(judge_contract(again.examination), stacklevel=5)


def _concluded(verdict: Verdict, corpus: CorpusOfTest | None) -> Measurement:
    if corpus is not None and verdict.is_suspect:
        corpus.suspicions.append(verdict.sentence)
    return conclude(verdict, stacklevel=5)


def _operations(edits: Edits) -> tuple[Operation, ...]:
    given = [edits] if isinstance(edits, str | Operation) else list(edits)
    for edit in given:
        if not isinstance(edit, str | Operation):
            raise MisuseError(f"attack contains {edit!r}: expected operations, or names such as 'typo'")
    names = [edit for edit in given if isinstance(edit, str)]
    chosen = [*(operations(*names) if names else ()), *(edit for edit in given if isinstance(edit, Operation))]
    if not chosen:
        raise MisuseError("attack names no kind of edit: give one, such as attack='typo'")
    return tuple(chosen)


def _claim(rate: float, alpha: float, strict: bool, confidence: float | None) -> RateClaim:
    shelf = current_shelf()
    return RateClaim(rate, alpha, strict, confidence, 1 if shelf is None else shelf.gates)
