"""A record that was damaged, or made up, is refused with the place where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.records import run_record
from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.run_record import TestResult, checksum_of_record, read_record, record_text
from pytest_llm.storage.numbers import encoded
from tests.records.test_round_trip import BIT_OF_EVERYTHING


@pytest.fixture
def path(tmp_path: Path) -> Path:
    line = encoded(measurement_as_data(BIT_OF_EVERYTHING))
    path = tmp_path / "run.json"
    path.write_text(record_text({}, [TestResult("test_it", "passed", [line])]), encoding="utf-8")
    return path


def spoiled(path: Path, *keys: str | int, value: Any) -> Path:
    """The record with another value at a place; with none there where the value is `...`."""
    content = json.loads(path.read_text(encoding="utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    content["checksum"] = checksum_of_record(content, path)  # as one would who means to
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_sound_one_is_read(path: Path) -> None:
    assert len(read_record(path).tests) == 1


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("value", ..., "'value' is missing"),
        ("value", "many", "'value' holds 'many', which is no number"),
        ("value", True, "'value' holds True"),
        ("value", 10**400, "which is no number"),
        ("lower_is_better", 1, "'lower_is_better' is 1, not true or false"),
        ("metric", None, "'metric' is None, not a text"),
        ("scale", "cubic", "'scale' is 'cubic', none of linear, log"),
        ("left_out", -1, "'left_out' is negative"),
        ("statistics", [[1, 2], [3]], "rows of different lengths"),
        ("statistics", [], "no rows"),
        ("statistics", [[1, 2], [3, 4]], "not as many statistics"),
        ("statistics", [[[1]]], "'statistics' holds"),
        ("example_values", [], "not as many statistics"),
        ("ids", [], "there are no examples"),
        ("ids", ["a", "b"], "not as many contents"),
        ("ids", [7], "'ids' holds something that is no text"),
        ("clusters", [7], "'clusters' holds"),
        ("outputs", ["a", "b"], "or outputs"),
        ("outputs", [{"probabilities": [[["a"], 1]]}], "no pairs"),
        ("outputs", [{}], "'probabilities' is missing"),
        ("model", [], r"model: it is \[\], not an object"),
        ("estimate", {"kind": "jackknife"}, "estimate: 'value' is missing"),
        ("estimate", {"kind": "guess", "value": 1, "basis": "raters"}, "'kind' is 'guess', no kind of estimate"),
        ("estimate", {"kind": "guess", "value": 1, "basis": "dice"}, "'basis' is 'dice'"),
    ],
)
def test_a_measurement_that_is_not_whole_is_refused(path: Path, name: str, value: Any, complaint: str) -> None:
    with pytest.raises(MisuseError, match=rf"run\.json, tests 0, measurements 0.*{complaint}"):
        read_record(spoiled(path, "tests", 0, "measurements", 0, name, value=value))


@pytest.mark.parametrize(
    ("keys", "value", "complaint"),
    [
        (("format",), "junit", "its format is 'junit', not 'pytest-llm run record'"),
        (("schema",), 1, "its schema is 1, and this version reads 2: record it again with --llm-json"),
        (("schema",), ..., "'schema' is missing"),
        (("tests",), {}, "'tests' is {}, not a list"),
        (("tests", 0, "outcome"), "lost", "'outcome' is 'lost'"),
        (("complete",), "yes", "'complete' is 'yes'"),
    ],
)
def test_a_file_that_is_no_record_of_this_schema_is_refused(
    path: Path, keys: tuple[str | int, ...], value: Any, complaint: str
) -> None:
    with pytest.raises(MisuseError, match=complaint):
        read_record(spoiled(path, *keys, value=value))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"NaN"])
def test_what_is_not_even_an_object_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(MisuseError, match=r"run\.json"):
        read_record(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path, complaint in ((tmp_path / "none.json", "No such file"), (tmp_path, "it is no regular file")):
        with pytest.raises(MisuseError, match=complaint):
            read_record(path)


def test_a_link_to_a_device_is_refused_which_would_never_end(tmp_path: Path) -> None:
    link = tmp_path / "run.json"
    link.symlink_to("/dev/zero")
    with pytest.raises(MisuseError, match="it is no regular file"):
        read_record(link)


def test_a_number_that_was_changed_is_refused_however_the_file_is_laid_out(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, indent=2), encoding="utf-8", newline="\r\n")
    assert read_record(path).tests[0].measurements[0].measurement.value == 2.0
    content["tests"][0]["measurements"][0]["value"] = 1.9
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MisuseError, match=r"run\.json: it is not as it was written \(other checksum\)"):
        read_record(path)


def test_a_file_that_is_too_large_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "MOST_BYTES", 100)
    with pytest.raises(MisuseError, match=r"it has [\d,]+ bytes; 100 are accepted"):
        read_record(path)


def test_a_test_that_stands_twice_is_refused(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(MisuseError, match="a test stands in it twice"):
        read_record(spoiled(path, "tests", value=content["tests"] * 2))
