"""Label Studio's JSON: what its own classes write is read, what is exported is what they write, and a round trip loses nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.rating import label_studio
from pytest_llm.rating.answers import Answer
from pytest_llm.rating.label_studio import answers_of, configuration, read_export, tasks_of
from pytest_llm.rating.sheet import Sheet
from tests.rating.sheets import IDS, PAIRS, SCORED

THEIRS: dict[str, list[list[dict[str, Any]]]] = json.loads(
    (Path(__file__).parent / "data" / "label_studio.json").read_text(encoding="utf-8")
)
AT = "2026-01-01T12:00:00+00:00"


def answer(
    sheet: Sheet, value: str | int | None, note: str = "", rater: str = "ann@example.org", item: int = 0
) -> Answer:
    """To one item, whose first candidate was shown first."""
    first, second = sheet.candidates or (None, None)
    return Answer(rater, IDS[item], value, first, second, note, AT, sheet.content(sheet.items[item]))


SAID = {
    "pairs": [answer(PAIRS, "new"), answer(PAIRS, "old", "a note"), answer(PAIRS, "tie")],
    "ratings": [answer(SCORED, 4), answer(SCORED, 1, "a note")],
}
SHEETS = {"pairs": PAIRS, "ratings": SCORED}


def task(sheet: Sheet, *annotations: dict[str, Any]) -> dict[str, Any]:
    """A task of the first item, first candidate first, as an export of a project has it."""
    item = sheet.items[0]
    shown = dict(zip(("text1", "text2") if sheet.compares else ("output",), item.outputs, strict=True))
    data = {"id": item.id, "prompt": item.prompt, **shown}
    return {"id": 1, "project": 3, "data": data, "annotations": list(annotations)}


def annotation(results: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {"completed_by": 7, "result": results, "was_cancelled": False, "created_at": AT, **changes}


def without_ids(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in result.items() if key != "id"} for result in results]


CASES = [(kind, place) for kind, said in SAID.items() for place in range(len(said))]


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_an_answer_is_exported_as_their_classes_write_it(kind: str, place: int) -> None:
    tasks = tasks_of(SHEETS[kind], [SAID[kind][place]])
    (made,) = (one for exported in tasks for one in exported["annotations"])
    assert without_ids(made["result"]) == without_ids(THEIRS[kind][place])
    assert made["ground_truth"] is False
    assert made["completed_by"] == {"email": "ann@example.org"}


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_what_their_classes_write_is_read(kind: str, place: int) -> None:
    exported = [task(SHEETS[kind], annotation(THEIRS[kind][place], completed_by={"id": 7, "email": "ann@example.org"}))]
    assert answers_of(exported, SHEETS[kind]) == [SAID[kind][place]]


@pytest.mark.parametrize("sheet", [PAIRS, SCORED])
def test_a_round_trip_loses_nothing(sheet: Sheet) -> None:
    one, other = ("new", "tie") if sheet.compares else (2, 5)
    said = [answer(sheet, one), answer(sheet, other, "hm\nor", item=1), answer(sheet, None, "broken", item=2)]
    said.append(answer(sheet, one, rater="bob@example.org"))
    if sheet.compares:
        said.append(replace(said[0], rater="eve@example.org", first="old", second="new"))
    tasks = json.loads(json.dumps(tasks_of(sheet, said)))
    assert len(tasks) == len(IDS) + sheet.compares  # one item was seen in both orders
    assert sorted(answers_of(tasks, sheet), key=str) == sorted(said, key=str)


def test_tasks_tell_nothing_of_candidates_and_half_of_them_are_turned() -> None:
    tasks = tasks_of(PAIRS)
    assert sorted(one["data"]["id"] for one in tasks) == sorted(IDS)
    assert [one["data"]["id"] for one in tasks] != list(IDS)
    assert sum(one["data"]["text1"].startswith("NEW") for one in tasks) == 3
    assert all(set(one["data"]) == {"id", "prompt", "text1", "text2"} and not one["annotations"] for one in tasks)
    assert json.dumps(tasks) == json.dumps(tasks_of(Sheet(PAIRS.items, ("old", "new"))))


@pytest.mark.parametrize("sheet", [PAIRS, SCORED])
def test_the_configuration_names_what_tasks_and_results_name(sheet: Sheet) -> None:
    view = ElementTree.fromstring(configuration(sheet, 'Which is "better" & <why>?'))
    header = view.find("Header")
    assert header is not None
    assert header.get("value") == 'Which is "better" & <why>?'
    shown = {tag.get("value") for tag in view.iter("Text")}
    assert shown == {f"${name}" for name in tasks_of(sheet)[0]["data"] if name != "id"}
    controls = {tag.get("name") for tag in view.iter() if tag.get("toName")}
    kind = "pairs" if sheet.compares else "ratings"
    assert controls == {result["from_name"] for results in THEIRS[kind] for result in results}


def test_annotators_can_be_given_names_and_later_answers_are_revisions() -> None:
    early, late = THEIRS["pairs"][0], THEIRS["pairs"][2]
    exported = [task(PAIRS, annotation(late, created_at="2026-02-01"), annotation(early))]
    first, second = answers_of(exported, PAIRS, {"7": "Ann"})
    assert (first.rater, first.value, first.revision) == ("Ann", "new", 0)
    assert (second.rater, second.value, second.revision) == ("Ann", "tie", 1)
    assert answers_of(exported, PAIRS)[0].rater == "7"


def test_what_says_nothing_and_what_was_cancelled_is_skipped() -> None:
    note = THEIRS["pairs"][1][1]
    exported = [
        task(PAIRS, annotation([]), annotation(THEIRS["pairs"][0] + [note], was_cancelled=True, completed_by=8))
    ]
    assert [(one.value, one.note) for one in answers_of(exported, PAIRS)] == [(None, ""), (None, "a note")]


@pytest.mark.parametrize("sheet", [PAIRS, SCORED])
def test_a_project_of_choices_alone_is_read(sheet: Sheet) -> None:
    choice = {
        "type": "choices",
        "from_name": "c",
        "to_name": "x",
        "value": {"choices": ["right" if sheet.compares else "3"]},
    }
    (said,) = answers_of([task(sheet, annotation([choice]))], sheet)
    assert said.value == ("old" if sheet.compares else 3)


BOTH = THEIRS["pairs"][0] + THEIRS["pairs"][2]
OFF = [{"type": "rating", "value": {"rating": 6}}]


@pytest.mark.parametrize(
    ("sheet", "tasks", "message"),
    [
        (PAIRS, {"id": 1}, "the export is .*; expected a list: export the project as JSON"),
        (PAIRS, [{"id": 1, "text1": "a"}], "task #0: data holds None; expected an object: export the project as JSON"),
        (PAIRS, [{"data": {"id": "q99"}}], "task #0 is about 'q99', which is no id of the outputs"),
        (PAIRS, [{"data": {"id": "q1", "prompt": "prompt q1", "text1": "a"}}], "task #0 shows other texts for 'q1'"),
        (PAIRS, [task(PAIRS, annotation(BOTH))], r"task #0 \('q0' by '7'\) says 'left' and 'tie'; one of them has to go"),
        (SCORED, [task(SCORED, annotation(OFF))], "says 6; expected 1 to 5"),
        (PAIRS, [task(PAIRS, annotation(OFF))], "says 6; expected left, right or tie"),
        (PAIRS, [task(PAIRS, annotation([], completed_by=None))], "an annotation that nobody completed"),
    ],
)  # fmt: skip
def test_what_cannot_be_an_answer_is_refused(sheet: Sheet, tasks: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        answers_of(tasks, sheet)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('[{"id": 1, "id": 2}]', "'id' stands twice in one object"),
        ("[NaN]", "NaN is no number"),
        ("[" + " " * 100 + "]", "it has 102 bytes; 100 are accepted"),
    ],
)
def test_a_file_that_says_two_things_or_too_much_is_no_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, why: str
) -> None:
    monkeypatch.setattr(label_studio, "MOST_BYTES", 100)
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(MisuseError, match=f"cannot be read as JSON: {why}"):
        read_export(tmp_path / "export.json", SCORED)
