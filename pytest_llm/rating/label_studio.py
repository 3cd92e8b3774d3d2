"""Label Studio's JSON: a sheet as tasks with a labelling configuration, and annotated tasks as answers.

A result names the control that made it (`from_name`), what it is about (`to_name`), its `type` and its `value`:

    pairwise  {"selected": "left"}   from and to the control itself; it knows no tie, so that `choices` beside it has one
    rating    {"rating": 4}
    choices   {"choices": ["tie"]}
    textarea  {"text": ["a note"]}

A skipped task is an annotation with `was_cancelled`. Source: the task format and tags at labelstud.io, and the classes of these
tags in label-studio-sdk 2.1, which made the tasks that our tests read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from pytest_llm.data.ratings import TIE
from pytest_llm.errors import MisuseError, about
from pytest_llm.rating.answers import Answer
from pytest_llm.rating.order import Order
from pytest_llm.rating.sheet import Item, Sheet
from pytest_llm.storage.strict_json import parsed, read_bounded

MOST_BYTES = 2**30
"""Of an export; a larger one is none of ratings by people."""

_SIDES = ("left", "right")
_EVERYBODY = ""
"""A task is the same for all raters, and so are its sides."""

_PAIRS = """\
<View>
  <Header value={heading}/>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="pw" toName="text1,text2"/>
  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1em">
    <Text name="text1" value="$text1"/>
    <Text name="text2" value="$text2"/>
  </View>
  <Choices name="tie" toName="text1" showInline="true"><Choice value="tie"/></Choices>
  <TextArea name="note" toName="text1" rows="2" maxSubmissions="1" placeholder="Note (optional)"/>
</View>
"""
_RATINGS = """\
<View>
  <Header value={heading}/>
  <Text name="prompt" value="$prompt"/>
  <Text name="output" value="$output"/>
  <Rating name="rating" toName="output" maxRating="{points}"/>
  <TextArea name="note" toName="output" rows="2" maxSubmissions="1" placeholder="Note (optional)"/>
</View>
"""


def configuration(sheet: Sheet, heading: str) -> str:
    """The labelling configuration (XML) of a project for these tasks."""
    return (_PAIRS if sheet.compares else _RATINGS).format(heading=quoteattr(heading), points=sheet.points)


def tasks_of(sheet: Sheet, answers: Iterable[Answer] = (), *, seed: int = 0) -> list[dict[str, Any]]:
    """Tasks to import, in a drawn order; which output is `text1` is drawn too, and nothing in a task says whose it is.

    Args:
        sheet: what there is to rate.
        answers: become annotations, completed by the member whose e-mail address is the rater's name. Where raters saw an item in
            both orders, it is two tasks.
        seed: of order and sides.
    """
    order = Order(tuple(item.id for item in sheet.items), seed)
    drawn_first = order.first_candidate_first(_EVERYBODY)
    given: dict[str, list[Answer]] = {}
    for answer in answers:
        given.setdefault(answer.item, []).append(answer)
    items = {item.id: item for item in sheet.items}
    tasks = []
    for name in order.of(_EVERYBODY):
        item, said = items[name], given.get(name, [])
        drawn = sheet.candidates if name in drawn_first else sheet.candidates[::-1]
        for shown in (
            dict.fromkeys((answer.first, answer.second) for answer in said) if sheet.compares and said else [drawn]
        ):
            annotations = [_annotation(a) for a in said if not a.compares or (a.first, a.second) == tuple(shown)]
            tasks.append({"data": _data(sheet, item, tuple(shown)), "annotations": annotations})
    return tasks


def read_export(path: Path, sheet: Sheet, names: Mapping[str, str] | None = None) -> list[Answer]:
    """The answers in the file of a project's export; see `answers_of`.

    Raises:
        MisuseError: a file that cannot be read as JSON, or is larger than `MOST_BYTES`, and what `answers_of` refuses.
    """
    try:
        tasks = parsed(read_bounded(path, MOST_BYTES))
    except (OSError, ValueError) as error:
        raise MisuseError(f"{path} cannot be read as JSON: {error}") from None
    with about(path.name):
        return answers_of(tasks, sheet, names)


def answers_of(tasks: Any, sheet: Sheet, names: Mapping[str, str] | None = None) -> list[Answer]:
    """The answers in a project's export (format "JSON"); of one rater's several to one task, each later one is a revision.

    Args:
        tasks: the parsed file.
        sheet: what was rated; which output was whose is told by its texts.
        names: of annotators, by the id or e-mail address that the export has; default: that itself.

    Raises:
        MisuseError: no such export, an item that the sheet has not, other texts than the sheet's, an annotation that says two
            things.
    """
    items = {item.id: item for item in sheet.items}
    revisions: dict[tuple[str | None, ...], int] = {}
    answers = []
    for number, task in enumerate(_list(tasks, "the export")):
        place = f"task #{number}"
        item, (first, second) = _found(task, sheet, items, place)
        annotations = _list(task.get("annotations", []), f"{place}: annotations")
        for annotation in sorted(annotations, key=lambda one: str(_mapping(one, place).get("created_at", ""))):
            rater = _rater(annotation.get("completed_by"), names or {}, place)
            value, note = _said(annotation, sheet, f"{place} ({item.id!r} by {rater!r})")
            preferred = {"left": first, "right": second}.get(str(value), value) if sheet.compares else value
            key = (rater, item.id, first, second)
            revisions[key] = revisions.get(key, -1) + 1
            at = str(annotation.get("created_at", ""))
            answers.append(
                Answer(rater, item.id, preferred, first, second, note, at, sheet.content(item), revisions[key])
            )
    return answers


def _data(sheet: Sheet, item: Item, shown: tuple[str | None, ...]) -> dict[str, str]:
    data = {"id": item.id, "prompt": item.prompt}
    if not sheet.compares:
        return data | {"output": item.outputs[0]}
    outputs = item.outputs if shown == sheet.candidates else item.outputs[::-1]
    return data | {"text1": outputs[0], "text2": outputs[1]}


def _annotation(answer: Answer) -> dict[str, Any]:
    about = "text1" if answer.compares else "output"
    results = []
    if answer.value == TIE:
        results.append(_result(answer, "tie", about, "choices", [TIE], "choices"))
    elif answer.compares and answer.value is not None:
        results.append(_result(answer, "pw", "pw", "pairwise", _SIDES[answer.value == answer.second], "selected"))
    elif answer.value is not None:
        results.append(_result(answer, "rating", about, "rating", answer.value, "rating"))
    if answer.note:
        results.append(_result(answer, "note", about, "textarea", [answer.note], "text"))
    return {
        "completed_by": {"email": answer.rater},
        "result": results,
        "was_cancelled": answer.value is None,
        "ground_truth": False,  # which an import takes for true unless it is there
        "created_at": answer.at,
    }


def _result(answer: Answer, control: str, about: str, kind: str, value: object, key: str) -> dict[str, Any]:
    name = hashlib.sha256("\0".join([answer.rater, answer.item, control]).encode("utf-8", "surrogatepass")).hexdigest()[
        :10
    ]
    return {"id": name, "from_name": control, "to_name": about, "type": kind, "value": {key: value}}


def _found(
    task: Any, sheet: Sheet, items: Mapping[str, Item], place: str
) -> tuple[Item, tuple[str | None, str | None]]:
    """The item of a task, and the candidates whose outputs it showed left and right."""
    data = _mapping(_mapping(task, place).get("data"), f"{place}: data")
    item = items.get(str(data.get("id")))
    if item is None:
        raise MisuseError(
            f"{place} is about {data.get('id')!r}, which is no id of the outputs: give the files it was made of"
        )
    texts = (data.get("prompt"), *((data.get("text1"), data.get("text2")) if sheet.compares else (data.get("output"),)))
    if texts == (item.prompt, *item.outputs):
        first, second = sheet.candidates or (None, None)
        return item, (first, second)
    if sheet.compares and texts == (item.prompt, *item.outputs[::-1]):
        return item, (sheet.candidates[1], sheet.candidates[0])
    raise MisuseError(f"{place} shows other texts for {item.id!r} than the outputs have: give the files it was made of")


def _said(annotation: Mapping[str, Any], sheet: Sheet, place: str) -> tuple[str | int | None, str]:
    """What an annotation decides (None: nothing, or it was skipped), and its note."""
    results = [_mapping(one, place) for one in _list(annotation.get("result", []), f"{place}: result")]
    notes = [
        text for one in results if one.get("type") == "textarea" for text in _texts(_mapping(one.get("value"), place))
    ]
    note = "\n".join(notes)
    if annotation.get("was_cancelled"):
        return None, note
    decided = sorted(set(_decisions(results, sheet, place)), key=str)
    if len(decided) > 1:
        raise MisuseError(f"{place} says {' and '.join(map(repr, decided))}; one of them has to go")
    return (decided[0] if decided else None), note


def _decisions(results: Sequence[Mapping[str, Any]], sheet: Sheet, place: str) -> Iterator[str | int]:
    for result in results:
        value = _mapping(result.get("value"), place)
        match result.get("type"):
            case "pairwise":
                given: object = value.get("selected")
            case "rating":
                given = value.get("rating")
            case "choices":
                chosen = _list(value.get("choices"), f"{place}: choices")
                given = chosen[0] if len(chosen) == 1 else chosen
            case _:
                continue
        if sheet.compares and given in (*_SIDES, TIE):
            yield str(given)
        elif not sheet.compares and str(given) in map(str, range(1, sheet.points + 1)):
            yield int(str(given))
        else:
            expected = "left, right or tie" if sheet.compares else f"1 to {sheet.points}"
            raise MisuseError(f"{place} says {given!r:.60}; expected {expected}")


def _texts(value: Mapping[str, Any]) -> list[str]:
    text = value.get("text", [])
    return [str(part) for part in (text if isinstance(text, list) else [text])]


def _rater(completed_by: Any, names: Mapping[str, str], place: str) -> str:
    """Of an export: an id, or with the details of users a mapping."""
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    if completed_by is None or isinstance(completed_by, bool) or not str(completed_by).strip():
        raise MisuseError(f"{place} has an annotation that nobody completed")
    return names.get(str(completed_by), str(completed_by))


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise MisuseError(
            f"{place} is {value!r:.60}; expected a list: export the project as JSON, not as JSON-MIN or CSV"
        )
    return value


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MisuseError(
            f"{place} holds {value!r:.60}; expected an object: export the project as JSON, not as JSON-MIN or CSV"
        )
    return value
