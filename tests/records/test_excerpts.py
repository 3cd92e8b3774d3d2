"""Texts for a page: those of the examples that say most, found again by their content, and not in the record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.data.example import Example, StoredExample
from pytest_llm.inference.measure import measure
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.recording import Broken, listening, record_broken, recording
from pytest_llm.records.excerpts import LONGEST, MOST, Excerpts, Passage, losers
from pytest_llm.records.notes import Notes
from pytest_llm.records.run_record import TestResult, record_text
from tests.stub_models import TableModel

TEXT = st.text(st.characters())


def measured(count: int) -> Measurement:
    """Of texts of which each costs more than the one before."""
    costs = {f"text {n}": [-float(n)] for n in range(count)}
    return measure(TableModel(costs), list(costs), "perplexity")


def texts(excerpts: Excerpts) -> list[str]:
    return [passage.text for passage in excerpts.passages.values()]


def test_the_worst_are_kept_and_those_that_lost_most() -> None:
    m, excerpts = measured(20), Excerpts()
    excerpts.keep(m)
    assert texts(excerpts) == [f"text {n}" for n in (19, 18, 17, 16, 15)]
    before = m.statistics.copy()
    before[2, 0] -= 1
    excerpts.keep(m, Comparison(m, "baseline 'main'", before))
    assert texts(excerpts)[5:] == ["text 2"]
    assert excerpts.passages[m.examples[2].content] == Passage("text 2")


def test_targets_are_texts() -> None:
    m = measured(4)
    targets = ("one", ("one", "two"), ["a", 3], None)
    rows = [Example(str(n), f"t{n}", str(n), target=target) for n, target in enumerate(targets)]
    excerpts = Excerpts()
    excerpts.keep(replace(m, examples=tuple(rows)))
    kept = {passage.text: passage.targets for passage in excerpts.passages.values()}
    assert kept == {"t0": ("one",), "t1": ("one", "two"), "t2": ("['a', 3]",), "t3": ()}


def test_long_texts_are_cut_and_many_are_left_out() -> None:
    m, excerpts = measured(1), Excerpts()
    for n in range(MOST + 5):
        excerpts.keep(replace(m, examples=(Example(str(n), f"{n} " + "x" * LONGEST, str(n)),)))
        excerpts.broke(Broken("text", (), ("", "")), None)
    excerpts.broke(Broken("x" * (LONGEST + 1), (), ("", "")), None)
    assert len(excerpts.passages) == len(excerpts.broken) == MOST
    assert {len(text) for text in texts(excerpts)} == {LONGEST}


def test_an_example_that_was_read_back_has_no_text() -> None:
    m, excerpts = measured(1), Excerpts()
    excerpts.keep(replace(m, examples=(StoredExample.of("a", "0123"),)))
    assert not excerpts


def test_who_lost_nothing_is_no_loser() -> None:
    assert losers(np.array([0.0, 2.0, -1.0, np.nan, 3.0])) == [3, 4, 1]


@given(st.dictionaries(TEXT, TEXT), TEXT, TEXT, st.none() | st.integers(0, 9))
def test_a_line_is_read_back(passages: dict[str, str], text: str, after: str, place: int | None) -> None:
    broken = Broken(text, ((0, 0, after, "typo.insert"),), ("", after), "#1", "invariant_label")
    excerpts = Excerpts({name: Passage(one, (after,)) for name, one in passages.items()}, [(place, broken)])
    line = excerpts.line()
    assert "\n" not in line.encode("utf-8").decode("utf-8")
    assert Excerpts.of(line) == excerpts


def test_notes_keep_texts_only_where_they_are_asked_to_and_never_in_the_record() -> None:
    taken = {}
    for name, notes in (("record", Notes()), ("page", Notes(Excerpts()))):
        with listening(notes), recording():
            m = measure(TableModel({"a secret text": [-1.0]}), ["a secret text"], "perplexity")
            record_broken(Broken("a secret text", (), ("", "answer")))
        notes.judged(judge(m, Limit.below(5)))
        taken[name] = notes
    assert taken["record"].excerpts is None
    kept = taken["page"].excerpts
    assert kept is not None
    assert texts(kept) == ["a secret text"]
    assert [place for place, _ in kept.broken] == [0]
    result = TestResult("test_it", "passed", taken["page"].measurements, taken["page"].verdicts, [kept.line()])
    assert "secret" in result.excerpts[0]
    assert "secret" not in record_text({}, [result])


def test_what_breaks_aside_is_not_heard() -> None:
    excerpts = Excerpts()
    with listening(Notes(excerpts)), recording(), recording():
        record_broken(Broken("text", (), ("", "")))
    assert not excerpts
