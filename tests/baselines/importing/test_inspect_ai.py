"""Logs that Inspect wrote, as they are in `data/`: archives and JSON say the same, and damaged ones are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import MisuseError, assert_no_regression, measure
from pytest_llm.baselines.files import write
from pytest_llm.baselines.importing import inspect_ai
from pytest_llm.baselines.importing.reading import import_baseline
from tests.baselines.importing.rows import NEXT_WORD

DATA = Path(__file__).parent / "data"
(ARCHIVE,) = DATA.glob("*.eval")
(WHOLE,) = DATA.glob("*next-word*.json")
METRICS = ("exact_match", "squad_exact_match", "squad_f1")


def log() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(WHOLE.read_text(encoding="utf-8"))
    return found


def written() -> list[str]:
    return [sample["output"]["completion"] for sample in log()["samples"]]


@pytest.mark.parametrize("path", [ARCHIVE, WHOLE], ids=["eval", "json"])
@pytest.mark.parametrize("metric", METRICS)
def test_it_is_what_our_metric_says_of_the_same_outputs(path: Path, metric: str, tmp_path: Path) -> None:
    baseline = import_baseline(path, metric)
    write(tmp_path / "imported.json", baseline)
    ours = assert_no_regression(written(), NEXT_WORD, metric, baseline=tmp_path / "imported.json", estimand="dataset")
    assert baseline.value == ours.value
    assert baseline.value > 0


def test_the_value_is_the_one_that_inspect_reports() -> None:
    reported = {score["name"]: next(iter(score["metrics"].values()))["value"] for score in log()["results"]["scores"]}
    assert import_baseline(WHOLE, "exact_match").value == pytest.approx(reported["match"])
    assert import_baseline(WHOLE, "squad_exact_match").value == pytest.approx(reported["exact"])
    assert import_baseline(WHOLE, "squad_f1").value == pytest.approx(reported["f1"], abs=0.005)


def test_who_measured_what_is_said() -> None:
    baseline = import_baseline(ARCHIVE, "squad_f1", chosen="f1")
    assert baseline.source == f"inspect-ai {log()['eval']['packages']['inspect_ai']}, task next_word, scorer f1"
    assert (baseline.provenance.model, baseline.provenance.dtype) == ("written/tiny-decoder", "")
    assert baseline.recorded["date"] == log()["eval"]["created"][:10]


def changed(folder: Path, **changes: Any) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps({**log(), **changes}), encoding="utf-8")
    return path


def with_samples(folder: Path, **changes: Any) -> Path:
    return changed(folder, samples=[{**sample, **changes} for sample in log()["samples"]])


def test_a_run_that_did_not_succeed_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="the run ended with status 'cancelled'; a part of it is no baseline"):
        import_baseline(changed(tmp_path, status="cancelled"), "squad_f1")
    with pytest.raises(MisuseError, match="holds no samples"):
        import_baseline(changed(tmp_path, samples=None), "squad_f1")


def test_a_scorer_with_another_definition_is_refused(tmp_path: Path) -> None:
    """`match` is lenient by default: what contains the target at its end is right too."""
    lenient = {"match": {"value": "C", "answer": "it is wrong"}}
    with pytest.raises(MisuseError, match="exact_match is 1 there and 0 by our definition of the same answer"):
        import_baseline(with_samples(tmp_path, scores=lenient), "exact_match")


def test_two_scorers_of_one_metric_are_told_apart_by_name(tmp_path: Path) -> None:
    both = {name: {"value": "I", "answer": "no"} for name in ("match", "pattern")}
    path = with_samples(tmp_path, scores=both)
    with pytest.raises(MisuseError, match=r"match, pattern would all be exact_match: choose one \(--filter SCORER\)"):
        import_baseline(path, "exact_match")
    assert import_baseline(path, "exact_match", chosen="pattern").value == 0


def test_other_scorers_are_listed(tmp_path: Path) -> None:
    path = with_samples(tmp_path, scores={"model_graded_qa": {"value": "C"}})
    with pytest.raises(MisuseError, match="It has: none; it also has model_graded_qa, which are no metrics of ours"):
        import_baseline(path, "exact_match")


def test_several_epochs_are_no_baseline(tmp_path: Path) -> None:
    twice = [{**sample, "epoch": epoch} for sample in log()["samples"] for epoch in (1, 2)]
    with pytest.raises(MisuseError, match=r"two examples have the id|are the same text and target"):
        import_baseline(changed(tmp_path, samples=twice), "squad_f1")


def test_a_conversation_has_no_one_text(tmp_path: Path) -> None:
    one = [{"role": "user", "content": "attachment://abc"}]
    path = with_samples(tmp_path, input=one, attachments={"abc": "What is it?"}, id=1)
    with pytest.raises(MisuseError, match="two examples have the id '1'"):
        import_baseline(path, "squad_f1")
    with pytest.raises(MisuseError, match=r"has no column 'text', only id; .*--text COLUMN"):
        import_baseline(with_samples(tmp_path, input=one * 2), "squad_f1")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_an_archive_that_is_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    raw = ARCHIVE.read_bytes()
    cut = tmp_path / "cut.eval"
    cut.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(MisuseError, match=r"is empty|cannot be read as an archive, or is cut off"):
        import_baseline(cut, "squad_f1")


def test_no_damage_passes(tmp_path: Path) -> None:
    """A flipped bit in the packed content of any sample is an error, or changes nothing that is read."""
    raw, damaged = ARCHIVE.read_bytes(), tmp_path / "damaged.eval"
    sound = import_baseline(ARCHIVE, "squad_f1")
    with zipfile.ZipFile(ARCHIVE) as archive:
        places = [member.header_offset + 200 for member in archive.infolist() if member.filename.startswith("samples/")]
    for place in places:
        damaged.write_bytes(raw[:place] + bytes([raw[place] ^ 16]) + raw[place + 1 :])
        try:
            assert import_baseline(damaged, "squad_f1").same_statistics(sound)
        except MisuseError:
            continue
        pytest.fail("a damaged sample was read")


def packed(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "made.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_archives_of_other_programs_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MisuseError, match=r"has no header.json: the run did not end, or it is no log of Inspect"):
        import_baseline(packed(tmp_path, {"[Content_Types].xml": b"<xml/>"}), "squad_f1")
    monkeypatch.setattr(inspect_ai, "LARGEST_PART", 1000)
    with pytest.raises(MisuseError, match=r"header.json unpacks to 5,000 bytes; at most 1,000 are read"):
        import_baseline(packed(tmp_path, {"header.json": b" " * 5000}), "squad_f1")
    monkeypatch.setattr(inspect_ai, "LARGEST_FILE", 2000)
    with pytest.raises(MisuseError, match="unpacks to more than 2,000 bytes"):
        import_baseline(packed(tmp_path, {"header.json": b" " * 5000}), "squad_f1")


def test_older_archives_with_deflate_are_read(tmp_path: Path) -> None:
    header = {name: log()[name] for name in ("status", "eval")}
    members = {f"samples/{n}.json": json.dumps(sample).encode() for n, sample in enumerate(log()["samples"])}
    path = packed(tmp_path, {"header.json": json.dumps(header).encode(), **members})
    assert import_baseline(path, "squad_f1").value == measure(written(), NEXT_WORD, "squad_f1").value
