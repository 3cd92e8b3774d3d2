"""Files that lm-evaluation-harness wrote, as they are in `data/`: what they say, and that our own measurement says the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import Choose, Columns, Generate, MisuseError, QualityError, assert_no_regression
from pytest_llm.baselines.baseline import Baseline
from pytest_llm.baselines.files import write
from pytest_llm.baselines.importing.reading import import_baseline
from pytest_llm.models.transformers_model import TransformersModel
from tests.baselines.importing.rows import NEXT_WORD, OPENINGS, RADIO

DATA = Path(__file__).parent / "data"
RESULTS = json.loads(next(DATA.glob("results_*.json")).read_text(encoding="utf-8"))["results"]
FIRST_WORD = Generate(filter=re.compile(r"(\S+)"), max_tokens=4, stop="\n")


def samples(task: str) -> Path:
    (path,) = DATA.glob(f"samples_{task}_*.jsonl")
    return path


@pytest.mark.parametrize(
    ("task", "metric", "filter_"),
    [
        *(("radio", metric, "none") for metric in ("acc", "acc_norm", "acc_bytes")),
        *(("openings", metric, "none") for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte")),
        *(
            ("next_word", metric, name)
            for metric in ("exact_match", "bleu", "chrf")
            for name in ("first-word", "whole")
        ),
    ],
)
def test_the_value_is_the_one_that_the_harness_reports(task: str, metric: str, filter_: str) -> None:
    baseline = import_baseline(samples(task), metric, chosen=filter_)
    assert baseline.value == pytest.approx(RESULTS[task][f"{metric},{filter_}"], rel=1e-9)


@pytest.mark.parametrize(
    ("task", "metric", "rows"),
    [
        *(("radio", metric, RADIO) for metric in ("acc", "acc_norm", "acc_bytes")),
        *(("openings", metric, OPENINGS) for metric in ("word_perplexity", "bits_per_byte")),
    ],
)
def test_our_own_measurement_of_the_same_rows_is_no_change(
    task: str, metric: str, rows: list[dict[str, Any]], tiny: TransformersModel, tmp_path: Path
) -> None:
    baseline = import_baseline(samples(task), metric)
    write(tmp_path / "imported.json", baseline)
    measured = assert_no_regression(tiny, rows, metric, baseline=tmp_path / "imported.json", estimand="dataset")
    assert measured.statistics == pytest.approx(baseline.statistics, rel=1e-5)


def test_texts_that_are_written_are_paired_too(tiny: TransformersModel, tmp_path: Path) -> None:
    baseline = import_baseline(samples("next_word"), "exact_match", chosen="first-word")
    write(tmp_path / "imported.json", baseline)
    measured = assert_no_regression(
        tiny, NEXT_WORD, "exact_match", baseline=tmp_path / "imported.json", task=FIRST_WORD
    )
    assert measured.statistics.tolist() == baseline.statistics.tolist()


def test_a_change_is_seen(tmp_path: Path) -> None:
    right = [row["target"] for row in NEXT_WORD]
    write(tmp_path / "imported.json", import_baseline(samples("next_word"), "exact_match", chosen="first-word"))
    assert_no_regression(right, NEXT_WORD, "exact_match", baseline=tmp_path / "imported.json")
    with pytest.raises(
        QualityError, match=r"imported from lm-eval 0\.4\.13, task next_word, filter first-word; not compared, since"
    ):
        assert_no_regression(
            ["nothing"] * 16, NEXT_WORD, "exact_match", baseline=tmp_path / "imported.json", estimand="dataset"
        )


def test_what_the_log_does_not_say_stays_unknown() -> None:
    baseline = import_baseline(samples("openings"), "word_perplexity")
    assert baseline.signature == "word_perplexity|from:lm-eval 0.4.13, task openings, filter none"
    assert (baseline.identity.weights, baseline.identity.tokenizer) == ("", "")
    assert (baseline.provenance.model, baseline.provenance.dtype) == ("tiny-decoder", "float32")


def test_without_the_results_beside_it_more_is_unknown(tmp_path: Path) -> None:
    alone = Path(shutil.copy(samples("radio"), tmp_path))
    baseline = import_baseline(alone, "acc")
    assert baseline.source == "lm-eval of unknown version, task radio, filter none"
    assert baseline.provenance.dtype == ""
    assert baseline.recorded["date"] == alone.stem.rpartition("_")[2][:10]


def test_prompts_are_claimed_where_the_file_shows_them(tmp_path: Path) -> None:
    (own,) = (part for part in Choose().signature.split("|") if part.startswith("prompt:"))
    assert own in import_baseline(samples("radio"), "acc").known
    other = edited(tmp_path, samples("radio"), _other_prompt)
    assert f"not:{own}" in import_baseline(other, "acc").known


def test_a_comparison_with_other_prompts_is_refused(tiny: TransformersModel, tmp_path: Path) -> None:
    write(tmp_path / "imported.json", import_baseline(edited(tmp_path, samples("radio"), _other_prompt), "acc"))
    with pytest.raises(QualityError, match=r"settings: the prompts of lm-eval .* were others than these"):
        assert_no_regression(tiny, RADIO, "acc", baseline=tmp_path / "imported.json")


def _other_prompt(sample: dict[str, Any]) -> None:
    for request in sample["arguments"].values():
        request["arg_0"] = f"Q: {sample['doc']['text']} A:"


def edited(folder: Path, path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a log with each sample edited."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for sample in lines:
        edit(sample)
    copy = folder / path.name
    copy.write_text("".join(f"{json.dumps(sample)}\n" for sample in lines), encoding="utf-8")
    return copy


def _renamed(sample: dict[str, Any]) -> None:
    sample["doc"] = {
        "question": sample["doc"]["text"],
        "number": sample["doc"]["id"],
        "answer": sample["doc"]["target"],
    }


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = edited(tmp_path, samples("radio"), _renamed)
    with pytest.raises(MisuseError, match=r"no column 'text', only question, number, answer; say .*--text COLUMN"):
        import_baseline(path, "acc")
    plain = import_baseline(samples("radio"), "acc")
    renamed: Baseline = import_baseline(path, "acc", columns=Columns("question", "number", target="answer"))
    assert (renamed.ids, renamed.contents) == (plain.ids, plain.contents)


def _acc_is_turned(sample: dict[str, Any]) -> None:
    sample["acc"] = 1 - sample["acc"]


def _target_is_another(sample: dict[str, Any]) -> None:
    sample["doc"]["target"] = "A"


def _words_are_more(sample: dict[str, Any]) -> None:
    sample["word_perplexity"][1] += 1


def _nan(sample: dict[str, Any]) -> None:
    sample["filtered_resps"][1][0] = "nan"


def _one_less(sample: dict[str, Any]) -> None:
    sample["filtered_resps"].pop()


def _no_metrics(sample: dict[str, Any]) -> None:
    del sample["metrics"]


@pytest.mark.parametrize(
    ("task", "metric", "edit", "reason"),
    [
        ("radio", "acc", _acc_is_turned, "acc is . there and . by our definition of the same answer"),
        ("radio", "acc", _target_is_another, r"the harness compared with 0, but the row's column 'target' holds 'A'"),
        ("openings", "word_perplexity", _words_are_more, "the task has a definition of its own"),
        ("radio", "acc", _nan, "line 1: a number is NaN"),
        ("radio", "acc", _one_less, "line 1: 3 log-likelihoods for 4 choices"),
        ("radio", "acc", _no_metrics, "line 1 has no 'metrics'"),
    ],
)
def test_what_is_not_ours_is_refused(
    task: str, metric: str, edit: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(MisuseError, match=reason):
        import_baseline(edited(tmp_path, samples(task), edit), metric)


def test_what_there_is_is_listed() -> None:
    with pytest.raises(MisuseError, match="choose one of first-word, whole"):
        import_baseline(samples("next_word"), "exact_match")
    with pytest.raises(MisuseError, match=r"has no 'f1' that could be imported. It has: acc, acc_norm, acc_bytes"):
        import_baseline(samples("radio"), "f1")
    with pytest.raises(MisuseError, match=r"has not one metric: choose one. It has: acc, acc_norm, acc_bytes"):
        import_baseline(samples("radio"))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = samples("radio").read_bytes()
    cut = tmp_path / samples("radio").name
    for end in (0, 1, 100, len(whole) - 50):
        cut.write_bytes(whole[:end])
        with pytest.raises(MisuseError, match=r"is empty|is not JSON, or is cut off"):
            import_baseline(cut, "acc")
    cut.write_bytes(b"[" * 100_000)
    with pytest.raises(MisuseError, match=r"is not JSON, or is cut off: .* nested too deeply"):
        import_baseline(cut, "acc")
