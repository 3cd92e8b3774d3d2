"""Every file in examples/ runs, with the outcome that its text promises."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

import pytest
import torch

from pytest_llm import embedded, load_examples
from pytest_llm.models.sources import smollm2_file
from pytest_llm.models.transformers_model import TransformersModel
from tests import old_releases

EXAMPLES = Path(__file__).parent.parent / "examples"
Endings: TypeAlias = dict[str, dict[str, int]]
"""Of a file's tests: how many end how."""

SAID = {
    "test_augmentation.py": "REGRESSED *attack_success_rate * worse than the old model *test_without_copies_it_breaks_more?"
}
"""What the summary says of an example, beside how it ends."""
KINDS = {"failure": "failed", "error": "error", "skipped": "skipped"}
SHIPPED: Endings = {
    "test_quickstart.py": {"passed": 1, "failed": 1},
    "test_against_baseline.py": {"passed": 4, "failed": 1},
    "test_finetuning.py": {"passed": 3, "failed": 1},
    "test_augmentation.py": {"passed": 2, "failed": 1},
    "test_compression.py": {"passed": 5, "failed": 1},
    "test_thresholds.py": {"passed": 4, "failed": 1},
    "test_own_model.py": {"passed": 2},
    "test_own_metric.py": {"passed": 3},
    "test_latency.py": {"passed": 6},
    "test_served_model.py": {"passed": 3, "skipped": 1},  # with a server: tests/served/test_example.py
    "test_on_gpu.py": {"skipped": 4},
    "test_translation.py": {"passed": 2, "failed": 1},
    "test_summarization.py": {"passed": 1},
    "test_transcription.py": {"passed": 4},
    "test_entities.py": {"passed": 3},
    "test_contracts.py": {"passed": 10, "failed": 2},
    "test_human_ratings.py": {"passed": 3, "failed": 1},
    "test_minimum_functionality.py": {"passed": 3, "failed": 1},
    "test_robustness.py": {"passed": 2, "failed": 1},
    "test_pretraining.py": {"passed": 4},
    "test_transformer_core.py": {"passed": 8, "failed": 1, "skipped": 9},
}
SMOLLM2: Endings = {
    "test_classification.py": {"passed": 3},
    "test_multiple_choice.py": {"passed": 1, "failed": 1},
    "test_transformer_core.py": {"passed": 1},
}
"""The parts of examples that are about SmolLM2."""
LONG: Endings = {
    "test_attacked_classifier.py": {"failed": 1},
    "test_translation.py": {"passed": 1},
    "test_summarization.py": {"passed": 1},
    "test_divergence.py": {"passed": 4, "failed": 1},
}
"""Those of them that take minutes."""
FAILURES = {
    "test_attacked_classifier.py": "attack success rate 0.* is over 0: * of 12 texts break*",
    "test_multiple_choice.py": "acc 0.* is not above 0.3: *test_it_sees_through_short_answers]",
    "test_divergence.py": "mean_kld 0.* is not below 0.1: *test_four_bits_are_close_to_what_the_model_said]",
}
"""What the summary says of those that fail on purpose."""
ON_A_CLUSTER: Endings = {"test_on_a_cluster.py": {"passed": 2}}
MINILM: Endings = {
    "test_retrieval.py": {"passed": 1, "failed": 1},
    "test_attacked_classifier.py": {"passed": 1, "failed": 1},
}


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """In this process, which has torch and transformers already: to import them takes longer than most examples."""
    shutil.copytree(EXAMPLES, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-vv", "--llm-device=cpu", *arguments)


def endings(pytester: pytest.Pytester, *arguments: str) -> tuple[Endings, pytest.RunResult]:
    """How the tests of each file end, all files in one session: it loads a model once."""
    result = run(pytester, *arguments, "--junitxml=report.xml")
    found: Endings = {}
    for case in ElementTree.parse(pytester.path / "report.xml").iter("testcase"):
        ending = next((KINDS[part.tag] for part in case if part.tag in KINDS), "passed")
        counts = found.setdefault(f"{case.attrib['classname'].partition('.')[0]}.py", {})
        counts[ending] = counts.get(ending, 0) + 1
    return found, result


def test_every_example_has_an_outcome() -> None:
    assert {path.name for path in EXAMPLES.glob("test_*.py")} == {*SHIPPED, *SMOLLM2, *LONG, *MINILM, *ON_A_CLUSTER}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=old_releases.breaks_more_contracts if name == "test_contracts.py" else ())
        for name in SHIPPED
    ],
)
def test_examples_on_what_is_shipped_end_as_they_say(pytester: pytest.Pytester, name: str) -> None:
    found, result = endings(pytester, name, "-m", "not smollm2")
    assert found == {name: SHIPPED[name]}
    result.stdout.fnmatch_lines([SAID.get(name, "*")])


@pytest.mark.usefixtures("ray_cluster")
def test_the_example_of_a_cluster_gives_the_same_numbers_there(pytester: pytest.Pytester) -> None:
    found, _ = endings(pytester, *ON_A_CLUSTER, "--llm-engine=ray")
    assert found == ON_A_CLUSTER


@pytest.mark.slow  # what it asks for, tests/behaviour/test_correction.py and test_calibration.py see in each run
def test_gates_on_a_real_model_share_alpha_and_are_calibrated(pytester: pytest.Pytester) -> None:
    name = "test_against_baseline.py"
    result = run(pytester, name, "--llm-correction=holm", "-o", "llm_gates=5", "--llm-calibrate=2")
    result.assert_outcomes(**SHIPPED[name])
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
@pytest.mark.parametrize("examples", [SMOLLM2, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"])
def test_examples_on_a_real_model_end_as_they_say(pytester: pytest.Pytester, examples: Endings) -> None:
    found, result = endings(pytester, *examples, "-m", "smollm2")
    assert found == examples
    said = [line for name, line in FAILURES.items() if name in examples]
    result.stdout.fnmatch_lines_random([f"FAILED * {line}" for line in said])


@pytest.mark.minilm
def test_examples_on_a_model_that_embeds_end_as_they_say(pytester: pytest.Pytester) -> None:
    found, result = endings(pytester, *MINILM, "-m", "minilm")
    assert found == MINILM
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


@pytest.mark.slow
def test_the_nightly_example_runs_when_asked(pytester: pytest.Pytester) -> None:
    result = run(pytester, "test_on_gpu.py", "--llm-nightly", "--llm-limit=3")
    result.assert_outcomes(passed=1, skipped=3)
