"""What is written is what is read, and what was damaged is refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm.baselines import files, pair
from pytest_llm.baselines.baseline import Baseline, as_baseline, as_measurement, refuse_unfit
from pytest_llm.baselines.comparability import differences
from pytest_llm.baselines.files import read, write
from pytest_llm.data.provenance import Identity
from pytest_llm.errors import MisuseError
from pytest_llm.statistics.repeats import Noise
from pytest_llm.storage.checksum import sealed
from tests.simulated_changes import documents, measured

RECORDED = {"date": "2026-11-24", "commit": "0123456789abcdef", "python": "3.11.7"}


@pytest.fixture
def baseline() -> Baseline:
    m = measured(documents(12, np.random.default_rng(1)), ids=[f"идентификатор {row} 🙂" for row in range(12)])
    return as_baseline(m, Identity("weights", "tokenizer"), RECORDED)


@pytest.fixture
def path(tmp_path: Path, baseline: Baseline) -> Path:
    there = tmp_path / "main" / "test_it.perplexity@cpu.json"
    write(there, baseline)
    return there


def altered(path: Path, **changes: object) -> None:
    """Write other members, as one would who means to: with the checksum that belongs to them."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(sealed(content)), encoding="utf-8")


def packed(path: Path, **arrays: Any) -> None:
    """Write other arrays, in the same way."""
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    altered(path, arrays=hashlib.sha256(path.with_suffix(".npz").read_bytes()).hexdigest())


def test_what_is_written_is_what_is_read(path: Path, baseline: Baseline) -> None:
    found = read(path)
    assert found.same_statistics(baseline)
    assert found.statistics.dtype == np.float64
    for name in (
        "value",
        "interval",
        "counts",
        "signature",
        "data",
        "provenance",
        "identity",
        "recorded",
        "data_digest",
        "units",
        "settings",
    ):
        assert getattr(found, name) == getattr(baseline, name)


def test_clusters_and_settings_are_kept(tmp_path: Path) -> None:
    clusters = ["book"] * 6 + [None] * 6
    m = replace(measured(documents(12, np.random.default_rng(1)), clusters=clusters), settings={"unit": "byte"})
    write(tmp_path / "it.json", as_baseline(m, Identity(), {}))
    found = read(tmp_path / "it.json")
    assert (list(found.units), found.settings) == (m.units, {"unit": "byte"})


def test_a_stored_measurement_says_what_the_measured_one_said(path: Path) -> None:
    original, stored = measured(documents(12, np.random.default_rng(1))), as_measurement(read(path))
    assert stored.example_values.tobytes() == original.example_values.tobytes()
    assert [example.content for example in stored.examples] == list(read(path).contents)
    assert (stored.value, stored.scale, stored.lower_is_better) == (original.value, "log", True)
    assert differences(read(path), stored, stored.identity()) == []


def test_the_noise_of_a_model_is_kept_with_its_baseline(path: Path, baseline: Baseline) -> None:
    assert read(path).noise is None
    assert "noise" not in json.loads(path.read_text(encoding="utf-8"))
    write(path, replace(baseline, noise=Noise((3.0, 3.5, 4.0))))
    assert read(path).noise == Noise((3.0, 3.5, 4.0))
    assert json.loads(path.read_text(encoding="utf-8"))["noise"] == {"runs": [3, 3.5, 4], "standard_deviation": 0.5}


@pytest.mark.parametrize("noise", [{}, None, {"runs": [1]}, {"runs": ["a", "b"]}, {"runs": [1, float("nan")]}])
def test_noise_that_is_none_is_refused(path: Path, noise: object) -> None:
    altered(path, noise=noise)
    with pytest.raises(MisuseError):
        read(path)


def test_equal_baselines_are_equal_bytes(path: Path, baseline: Baseline, tmp_path: Path) -> None:
    again = tmp_path / "again" / path.name
    write(again, baseline)
    assert again.read_bytes() == path.read_bytes()
    assert again.with_suffix(".npz").read_bytes() == path.with_suffix(".npz").read_bytes()


def test_people_can_read_what_a_pull_request_shows(path: Path, baseline: Baseline) -> None:
    shown = json.loads(path.read_text(encoding="utf-8"))
    assert shown["value"] == baseline.value
    assert shown["examples"] == 12
    assert shown["model"]["name"] == "tiny-decoder"
    assert shown["recorded"] == RECORDED


def test_a_file_that_is_replaced_leaves_nothing_behind(path: Path, baseline: Baseline) -> None:
    write(path, replace(baseline, value=3.0))
    assert read(path).value == 3.0
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, path.with_suffix(".npz").name]


def test_the_origin_names_model_day_and_commit(baseline: Baseline) -> None:
    assert baseline.origin == "tiny-decoder, float32 on cpu, recorded 2026-11-24, commit 0123456789"


@pytest.mark.parametrize("byte", range(0, 600, 50))
def test_arrays_with_a_flipped_bit_are_refused(path: Path, byte: int) -> None:
    arrays = path.with_suffix(".npz")
    content = bytearray(arrays.read_bytes())
    content[byte] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(MisuseError, match=r"does not belong to the .*npz beside it \(other checksum\): commit both"):
        read(path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": 1, "arrays": "x"}', "\x00" * 40, '"text"']
)
def test_a_json_that_is_none_of_ours_is_refused(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        MisuseError, match=r"the baseline .*test_it.perplexity@cpu.json (cannot be read|is not as it was written)"
    ):
        read(path)


def test_a_number_that_was_set_right_by_hand_is_refused(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "value": content["value"] / 2}), encoding="utf-8")
    with pytest.raises(
        MisuseError, match=r"is not as it was written \(other checksum\): restore it, or record it again"
    ):
        read(path)


def test_how_it_is_laid_out_does_not_matter(path: Path, baseline: Baseline) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    assert read(path).value == baseline.value


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"value": "3"}, "'value' holds '3', which is no number"),
        ({"value": True}, "'value' holds True, which is no number"),
        ({"value": "NaN"}, "a number that is not finite"),
        ({"interval": [1]}, "'interval' does not have two ends"),
        ({"metric": 7}, "'metric' is 7, not a text"),
        ({"settings": []}, "'settings' is .*, not an object"),
        ({"recorded": {"date": 7}}, "'recorded' has 7 under 'date', not a text"),
        ({"model": {"name": "tiny"}}, "model: 'dtype' is missing"),
        ({"data": {"name": "x", "digest": "0" * 16}}, "its examples are not those that it is about"),
        ({"examples": "12"}, "'examples' is '12', not a whole number"),
        ({"tolerance": "9%"}, "'tolerance' is no member that this version knows"),
        ({"arrays": 7}, "'arrays' is 7, not a text"),
    ],
)
def test_a_member_of_another_kind_is_named_though_the_checksum_is_right(
    path: Path, changes: dict[str, Any], complaint: str
) -> None:
    altered(path, **changes)
    with pytest.raises(MisuseError, match=rf"test_it\.perplexity@cpu\.json cannot be read.*{complaint}"):
        read(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"statistics": np.array([[None]])}, "'statistics' is an array of object"),
        ({"statistics": np.ones((12, 2), np.int64)}, "'statistics' is an array of int64"),
        ({"statistics": np.asfortranarray(np.ones((12, 2)))}, "'statistics' is an array of float64"),
        ({"statistics": np.full((12, 2), np.nan)}, "a number that is not finite"),
        ({"ids": np.arange(12)}, "'ids' is an array of int64"),
        ({"ids": np.array(["twice"] * 12)}, "its examples are not those"),
        ({"units": np.array(["one"])}, "12 examples are announced, 12 are there"),
        ({"contents": np.array([["x"] * 12])}, "'contents' is an array of"),
    ],
)
def test_arrays_of_another_kind_are_named_though_the_checksum_is_right(
    path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with np.load(path.with_suffix(".npz")) as arrays:
        packed(path, **{**arrays, **changes})
    with pytest.raises(MisuseError, match=rf"cannot be read.*{complaint}"):
        read(path)


def test_a_header_that_asks_for_more_memory_than_there_is_asks_in_vain(path: Path) -> None:
    with zipfile.ZipFile(path.with_suffix(".npz")) as before:
        parts = {name: before.read(name) for name in before.namelist()}
    for shape in (b"(999999999999, 2), ", b"(9999999999999,2), "):
        parts["statistics.npy"] = parts["statistics.npy"].replace(b"(12, 2), }" + b" " * 11, shape + b"}" + b" " * 2)
        with zipfile.ZipFile(path.with_suffix(".npz"), "w") as after:
            for name, content in parts.items():
                after.writestr(name, content)
        altered(path, arrays=hashlib.sha256(path.with_suffix(".npz").read_bytes()).hexdigest())
        with pytest.raises(MisuseError, match="cannot be read"):
            read(path)


def test_more_than_anybody_would_commit_is_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", path.with_suffix(".npz").stat().st_size)
    with pytest.raises(MisuseError, match=r"its arrays unpack to [\d,]+ bytes; [\d,]+ are accepted"):
        read(path)
    monkeypatch.setattr(pair, "MOST_BYTES", 100)
    with pytest.raises(MisuseError, match=r"test_it\.perplexity@cpu\.json: it has [\d,]+ bytes; 100 are accepted"):
        read(path)


@pytest.mark.parametrize("missing", [".json", ".npz"])
def test_one_file_without_the_other_is_refused(path: Path, missing: str) -> None:
    path.with_suffix(missing).unlink()
    with pytest.raises(MisuseError, match="restore it, or record it again with --llm-update-baselines"):
        read(path)


def test_a_later_format_is_refused(path: Path) -> None:
    altered(path, format=2)
    with pytest.raises(MisuseError, match="has format 2, this version reads 1"):
        read(path)


def test_a_number_of_examples_that_is_not_so_is_refused(path: Path) -> None:
    altered(path, examples=11)
    with pytest.raises(MisuseError, match="11 examples are announced, 12 are there"):
        read(path)


def test_what_could_not_be_compared_later_is_not_recorded() -> None:
    m = measured(documents(12, np.random.default_rng(1)))
    refuse_unfit(m)
    with pytest.raises(MisuseError, match="a part of the data is no baseline; record it without --llm-limit"):
        refuse_unfit(replace(m, left_out=3))
    with pytest.raises(MisuseError, match="perplexity is nan here: what is not finite is no baseline"):
        refuse_unfit(replace(m, value=float("nan")))
    with pytest.raises(MisuseError, match="no function of sums"):
        refuse_unfit(replace(m, aggregate=None))
