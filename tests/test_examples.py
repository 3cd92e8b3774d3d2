"""Every file in examples/ runs, with the outcome that its text promises."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch

from pytest_llm import embedded, load_examples
from pytest_llm.models.loading import smollm2_file
from pytest_llm.models.transformers_model import TransformersModel

EXAMPLES = Path(__file__).parent.parent / "examples"
OUTCOMES = {
    "test_quickstart.py": {"passed": 1, "failed": 1},
    "test_against_baseline.py": {"passed": 4, "failed": 1},
    "test_compression.py": {"passed": 5, "failed": 1},
    "test_thresholds.py": {"passed": 4, "failed": 1},
    "test_own_model.py": {"passed": 2},
    "test_own_metric.py": {"passed": 3},
    "test_latency.py": {"passed": 6},
    "test_on_gpu.py": {"skipped": 4},
    "test_translation.py": {"passed": 2, "failed": 1, "deselected": 1},
    "test_summarization.py": {"passed": 1, "deselected": 1},
    "test_transcription.py": {"passed": 4},
    "test_entities.py": {"passed": 3},
    "test_contracts.py": {"passed": 10, "failed": 2},
    "test_human_ratings.py": {"passed": 3, "failed": 1},
    "test_pretraining.py": {"passed": 2},
    "test_transformer_core.py": {"passed": 6, "failed": 1, "skipped": 7, "deselected": 1},
}
SMOLLM2 = {
    "test_translation.py": ({"passed": 1}, ""),
    "test_summarization.py": ({"passed": 1}, ""),
    "test_classification.py": ({"passed": 3}, ""),
    "test_multiple_choice.py": (
        {"passed": 1, "failed": 1},
        "acc 0.* is not above 0.3: *test_it_sees_through_short_answers]",
    ),
    "test_divergence.py": (
        {"passed": 4, "failed": 1},
        "mean_kld 0.* is not below 0.1: *test_four_bits_are_close_to_what_the_model_said]",
    ),
    "test_transformer_core.py": ({"passed": 1}, ""),
}
"""How the parts of examples that are about SmolLM2 end, and what the summary says of one that fails on purpose."""
LONG = ("test_translation.py", "test_summarization.py", "test_divergence.py")
"""Of these, those that take minutes."""
MINILM = ["test_retrieval.py"]


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    shutil.copytree(EXAMPLES, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--llm-device=cpu", *arguments)


def test_every_example_has_an_outcome() -> None:
    assert {path.name for path in EXAMPLES.glob("test_*.py")} == {*OUTCOMES, *SMOLLM2, *MINILM}


@pytest.mark.parametrize("name", OUTCOMES)
def test_example_ends_as_it_says(pytester: pytest.Pytester, name: str) -> None:
    result = run(pytester, name, "-m", "not smollm2")
    result.assert_outcomes(**OUTCOMES[name])


def test_gates_on_a_real_model_share_alpha_and_are_calibrated(pytester: pytest.Pytester) -> None:
    name = "test_against_baseline.py"
    result = run(pytester, name, "--llm-correction=holm", "-o", "llm_gates=5", "--llm-calibrate=2")
    result.assert_outcomes(**OUTCOMES[name])
    result.stdout.fnmatch_lines(
        ["PASSED * baseline 'main'*: 1 % is tolerated *; calibrated: 2 runs *test_the_model_is_as_it_was?"]
    )
    result.stdout.fnmatch_lines(
        ["Holm's correction over 5 gates (llm_gates), 5 of which ran", "REGRESSED *adjusted *test_a_regression]"]
    )


@pytest.mark.slow
def test_a_baseline_is_kept_broken_and_accepted_as_its_example_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = ("test_against_baseline.py", "-k", "as_it_was")
    monkeypatch.setenv("CHANGE", "0.02")
    run(pytester, *story).assert_outcomes(passed=1, deselected=4)
    monkeypatch.setenv("CHANGE", "0.07")
    broken = run(pytester, *story)
    broken.assert_outcomes(failed=1, deselected=4)
    broken.stdout.fnmatch_lines(["E *to accept *pytest *::test_the_model_is_as_it_was' --llm-update-baselines"])
    accepted = run(pytester, *story, "--llm-update-baselines")
    accepted.assert_outcomes(passed=1, deselected=4)
    accepted.stdout.fnmatch_lines(["*44.1 before*regressed*"])
    baseline = (
        pytester.path / "llm_baselines/main/test_against_baseline/test_the_model_is_as_it_was.perplexity@cpu.json"
    )
    assert json.loads(baseline.read_text(encoding="utf-8"))["value"] == pytest.approx(45.46, abs=0.01)


@pytest.mark.smollm2
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in SMOLLM2]
)
def test_example_on_a_real_model_ends_as_it_says(pytester: pytest.Pytester, name: str) -> None:
    outcomes, said = SMOLLM2[name]
    result = run(pytester, "-m", "smollm2", name)
    assert {kind: count for kind, count in result.parseoutcomes().items() if kind in ("passed", "failed")} == outcomes
    if said:
        result.stdout.fnmatch_lines([f"FAILED * {said}"])


@pytest.mark.minilm
def test_examples_on_a_model_that_embeds_end_as_they_say(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-m", "minilm", *MINILM)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *'backup-where', wanted 'backup-frequency'"])


@pytest.mark.slow  # test_quality.py compares the same numbers on fewer texts
@pytest.mark.smollm2
def test_quickstart_on_a_gguf_file_gives_the_perplexity_of_transformers(
    pytester: pytest.Pytester, smollm2: TransformersModel
) -> None:
    """The same number as `model(ids, labels=ids).loss`, with BOS in front of each text, summed over all tokens."""
    nll, count = 0.0, 0
    for example in load_examples(embedded("data/held_out.jsonl")):
        ids = smollm2.tokenizer(example.text, add_special_tokens=False)["input_ids"]
        tokens = torch.tensor([[smollm2.tokenizer.bos_token_id, *ids]])
        with torch.no_grad():
            nll += float(smollm2.module(tokens, labels=tokens).loss) * len(ids)
        count += len(ids)
    result = run(
        pytester, "test_quickstart.py", f"--llm-model={smollm2_file()}", "-k", "scholar", "--junitxml=report.xml"
    )
    result.assert_outcomes(failed=1, deselected=1)
    (measured,) = re.findall(r'name="llm_perplexity" value="([^"]+)"', (pytester.path / "report.xml").read_text())
    assert float(measured) == pytest.approx(math.exp(nll / count), rel=1e-4)


def test_the_nightly_example_runs_when_asked(pytester: pytest.Pytester) -> None:
    result = run(pytester, "test_on_gpu.py", "--llm-nightly")
    result.assert_outcomes(passed=1, skipped=3)
