"""`pytest-llm baseline import`: what it writes and says, and that nothing is replaced by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.baselines.files import read
from pytest_llm.command.main import main

(SAMPLES,) = (Path(__file__).parents[1] / "baselines" / "importing" / "data").glob("samples_radio_*.jsonl")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_says_what_it_wrote_and_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "import", str(SAMPLES), "--metric", "acc", "--out", "radio.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "radio.json: acc 0.25 of 16 examples",
        "  from    lm-eval 0.4.13, task radio, filter none",
        "  model   tiny-decoder, float32 on cpu",
        "  to use  assert_no_regression(model, rows, 'acc', baseline=Path('radio.json'))",
    ]
    assert read(Path("radio.json")).value == 0.25


def test_what_it_wrote_can_be_shown_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.json", "b.json"):
        main(["baseline", "import", str(SAMPLES), "--metric", "acc", "--out", name])
    assert main(["baseline", "show", "a.json"]) == 0
    assert "from:lm-eval 0.4.13, task radio, filter none" in capsys.readouterr().out
    assert main(["baseline", "diff", "a.json", "b.json"]) == 0


def test_unless_told_it_is_named_for_log_and_metric() -> None:
    assert main(["baseline", "import", str(SAMPLES), "--metric", "acc_norm"]) == 0
    assert Path(f"{SAMPLES.stem}.acc_norm.json").is_file()


def test_what_is_there_is_replaced_only_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["baseline", "import", str(SAMPLES), "--metric", "acc", "--out", "radio.json"]
    assert [main(command), main(command), main([*command, "--force"])] == [0, 2, 0]
    assert "radio.json is there already: --force replaces it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([str(SAMPLES)], "choose one. It has: acc, acc_norm, acc_bytes"),
        ([str(SAMPLES), "--metric", "acc", "--text", "question"], "has no column 'question'"),
        ([str(SAMPLES), "--metric", "acc", "--out", "radio.npz"], "a baseline is a .json file"),
        (["nothing.jsonl"], "there is no file nothing.jsonl"),
        (["model.pkl"], "'.pkl' is no kind of log that can be imported; there are samples_….jsonl"),
    ],
)
def test_misuse_ends_with_2(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "import", *arguments]) == 2
    assert reason in capsys.readouterr().err
