"""Details that lighteval wrote, as they are in `data/lighteval/`: what they say, and that our own measurement says the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import sacrebleu

from pytest_llm import Choose, Generate, MisuseError, QualityError, assert_no_regression
from pytest_llm.baselines.files import write
from pytest_llm.baselines.importing import lighteval
from pytest_llm.baselines.importing.reading import import_baseline
from pytest_llm.data.loading import load_examples
from pytest_llm.models.transformers_model import TransformersModel
from tests.baselines.importing.rows import NEXT_WORD, OPENINGS, RADIO

DATA = Path(__file__).parent / "data" / "lighteval"
FIRST_WORD = Generate(filter=re.compile(r"(\S+)"), max_tokens=4, stop="\n")


def details(task: str) -> Path:
    (path,) = DATA.glob(f"details_{task}*.parquet")
    return path


def results() -> Path:
    (path,) = DATA.glob("results_*.json")
    return path


@pytest.mark.parametrize(
    ("task", "metric", "theirs"),
    [
        ("radio", "acc", "acc"),
        *(("openings", metric, metric) for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte")),
        ("next_word", "exact_match", "em"),
        ("next_word", "bleu", "bleu"),
    ],
)
def test_the_value_is_the_one_that_lighteval_reports(task: str, metric: str, theirs: str) -> None:
    reported = json.loads(results().read_text(encoding="utf-8"))["results"][f"{task}|0"][theirs]
    assert import_baseline(details(task), metric).value == pytest.approx(reported, rel=1e-9)


@pytest.mark.parametrize(
    ("task", "metric", "rows"),
    [("radio", "acc", RADIO), ("openings", "bits_per_byte", OPENINGS), ("next_word", "exact_match", NEXT_WORD)],
)
def test_our_own_measurement_of_the_same_rows_is_no_change(
    task: str, metric: str, rows: list[dict[str, Any]], tiny: TransformersModel, tmp_path: Path
) -> None:
    """Although lighteval shuffles the rows, and the log knows neither their ids nor what stood around the question."""
    baseline = import_baseline(details(task), metric)
    write(tmp_path / "imported.json", baseline)
    asked = FIRST_WORD if task == "next_word" else None
    path = tmp_path / "imported.json"
    measured = assert_no_regression(tiny, rows, metric, baseline=path, task=asked, estimand="dataset")
    places = [baseline.contents.index(example.content) for example in load_examples(rows)]
    assert places != sorted(places)
    assert measured.statistics == pytest.approx(baseline.statistics[places], rel=1e-5)


def test_who_measured_what_is_said(tmp_path: Path) -> None:
    baseline = import_baseline(details("radio"), "acc")
    assert baseline.source == "lighteval, task radio-0"
    assert baseline.provenance.model == "tiny-decoder"
    alone = Path(shutil.copy(details("radio"), tmp_path))
    assert import_baseline(alone, "acc").provenance.model == "a model that the log does not name"


@pytest.mark.parametrize("model", ["tiny-decoder", "our/tiny-decoder"])
def test_the_results_are_found_where_lighteval_puts_them(model: str, tmp_path: Path) -> None:
    date = results().stem.removeprefix("results_")
    folders = tmp_path / "details" / model / date, tmp_path / "results" / model
    for folder, path in zip(folders, (details("radio"), results()), strict=True):
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
    assert import_baseline(folders[0] / details("radio").name, "acc").provenance.model == "tiny-decoder"


def test_prompts_are_claimed_only_where_the_file_holds_them(tmp_path: Path) -> None:
    def heard(row: dict[str, Any]) -> None:
        row["model_response"]["input"] = row["doc"]["query"]

    def in_a_dialogue(row: dict[str, Any]) -> None:
        row["model_response"]["input"] = f"<|user|>{row['doc']['query']}"

    (own,) = (part for part in Choose().signature.split("|") if part.startswith("prompt:"))
    assert not any("prompt:" in part for part in import_baseline(details("radio"), "acc").known)
    assert own in import_baseline(edited(tmp_path, "radio", heard), "acc").known
    assert f"not:{own}" in import_baseline(edited(tmp_path, "radio", in_a_dialogue), "acc").known


def test_a_task_of_two_ways_holds_its_documents_twice(tmp_path: Path) -> None:
    rows = pyarrow.parquet.read_table(details("radio")).to_pylist()
    response = {**rows[0]["model_response"], "logprobs": [], "text_post_processed": ["perhaps"]}
    written = [{**row, "model_response": response, "metric": {"acc": None, "em": 0.0}} for row in rows]
    chosen = [{**row, "metric": {**row["metric"], "em": None}} for row in rows]
    both = stored(tmp_path, "radio", [*written, *chosen])
    assert import_baseline(both, "acc").value == import_baseline(details("radio"), "acc").value
    some = stored(tmp_path, "radio", [*written, *chosen[1:]])
    with pytest.raises(MisuseError, match=r"row 1: the document has no 'acc', which others have"):
        import_baseline(some, "acc")


def test_bleu_is_that_of_first_references_as_lighteval_computes_it(tmp_path: Path) -> None:
    """In the file itself it is 0: no word has four in a row."""
    rows = pyarrow.parquet.read_table(details("next_word")).to_pylist()
    wanted = [row["doc"]["query"] for row in rows]
    written = [f"{text} and then some" for text in wanted]
    for row, first, output in zip(rows, wanted, written, strict=True):
        row["doc"] |= {"choices": [first, output], "gold_index": [0, 1]}
        row["model_response"]["text_post_processed"] = [output]
        row["metric"] = {"bleu": {"golds": [first, output], "preds": [output]}}
    expected = sacrebleu.BLEU().corpus_score(written, [wanted]).score
    assert 80 < expected < 99
    assert import_baseline(stored(tmp_path, "next_word", rows), "bleu").value == pytest.approx(expected, rel=1e-9)


def test_what_lighteval_gets_wrong_is_no_baseline() -> None:
    """Its chrf compares the first output with all references, and nothing else."""
    rows = pyarrow.parquet.read_table(details("next_word")).to_pylist()
    written, wanted = [row["model_response"]["text"][0] for row in rows], [row["doc"]["choices"][0] for row in rows]
    reported = json.loads(results().read_text(encoding="utf-8"))["results"]["next_word|0"]["chrf"]
    assert reported == pytest.approx(sacrebleu.corpus_chrf(written[:1], [[text] for text in wanted]).score)
    assert reported != pytest.approx(sacrebleu.corpus_chrf(written, [wanted]).score, rel=1e-3)
    with pytest.raises(MisuseError, match=r"has no 'chrf' .* it also has chrf \(of the first output only\)"):
        import_baseline(details("next_word"), "chrf")


def test_an_example_twice_cannot_be_told_apart_without_ids(tmp_path: Path) -> None:
    write(tmp_path / "imported.json", import_baseline(details("next_word"), "exact_match"))
    rows = [*NEXT_WORD, {**NEXT_WORD[0], "id": "again"}]
    right = [row["target"] for row in rows]
    with pytest.raises(QualityError, match="data: 1 examples are the same as others, and the log has no ids"):
        assert_no_regression(right, rows, "exact_match", baseline=tmp_path / "imported.json")


def edited(folder: Path, task: str, edit: Callable[[dict[str, Any]], None]) -> Path:
    rows = pyarrow.parquet.read_table(details(task)).to_pylist()
    for row in rows:
        edit(row)
    return stored(folder, task, rows)


def stored(folder: Path, task: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / details(task).name
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def _acc_is_turned(row: dict[str, Any]) -> None:
    row["metric"]["acc"] = 1 - row["metric"]["acc"]


def _no_logprobs(row: dict[str, Any]) -> None:
    row["model_response"]["logprobs"] = [-1.0]


def _no_such_choice(row: dict[str, Any]) -> None:
    row["doc"]["gold_index"] = [9] if isinstance(row["doc"]["gold_index"], list) else 9


def _no_response(row: dict[str, Any]) -> None:
    del row["model_response"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (_acc_is_turned, "by our definition of the same answer"),
        (_no_logprobs, "row 1: 1 log-likelihoods for 4 choices"),
        (_no_such_choice, "row 1: gold_index is .*9.*, of 4 choices"),
        (_no_response, "has no column model_response; it has"),
    ],
)
def test_what_is_not_ours_is_refused(edit: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=reason):
        import_baseline(edited(tmp_path, "radio", edit), "acc")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    raw = details("radio").read_bytes()
    cut = tmp_path / "details.parquet"
    cut.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(MisuseError, match=r"is empty|as Parquet, is it cut off"):
        import_baseline(cut, "acc")


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lighteval, "LARGEST_FILE", 100)
    with pytest.raises(MisuseError, match=r"unpacks to more than 100: are these data"):
        import_baseline(details("radio"), "acc")


def test_there_are_no_filters() -> None:
    with pytest.raises(MisuseError, match="--filter none: a log of lighteval has no filters"):
        import_baseline(details("radio"), "acc", chosen="none")
