"""Promise: `--llm-rejudge FILE` judges a recorded run as it would be judged today, asks no model, and passes nothing unseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pytest_runs import FEW_PLUGINS

NO_MODEL = """
    import pytest

    @pytest.fixture(scope="session")
    def llm():
        raise RuntimeError("a model was loaded")
"""
SUITE = """
import pytest
from pytest_llm import assert_perplexity_below

TEXTS = ["some", "more", "texts"]

def test_it(llm):
    assert_perplexity_below(llm, TEXTS, 9)
"""


def record(project: pytest.Pytester, suite: str, *arguments: str) -> None:
    """Run a suite with its model, leave run.json, and take the model away."""
    project.makepyfile(test_it=suite)
    project.runpytest("-p", "no:cacheprovider", "--llm-json", "run.json", *arguments)
    project.makeconftest(NO_MODEL)


def rejudge(project: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    """Judge run.json again, with this suite."""
    project.makepyfile(test_it=suite)
    return project.runpytest("-p", "no:cacheprovider", "-vv", "--llm-rejudge", "run.json", *arguments)


def told(result: pytest.RunResult) -> str:
    """What failed tests say, on one line."""
    return " ".join(line.removeprefix("E").strip() for line in result.outlines if re.match(r"E  ", line))


@pytest.mark.parametrize(("limit", "sentence"), [(7, "FAILED * 8 is not below 7*"), (20, "PASSED * 8 is below 20*")])
def test_todays_limit_decides(project: pytest.Pytester, limit: int, sentence: str) -> None:
    record(project, SUITE)
    result = rejudge(project, SUITE.replace("9)", f"{limit})"))
    result.assert_outcomes(passed=limit == 20, failed=limit == 7)
    result.stdout.fnmatch_lines(["llm: judging run.json (recorded *) again, no model is asked", sentence])


def test_a_failure_says_what_it_said_when_it_was_measured(project: pytest.Pytester) -> None:
    failing = SUITE.replace("9)", "7)")
    project.makepyfile(test_it=failing)
    measured = told(project.runpytest("-p", "no:cacheprovider"))
    record(project, failing)
    again = told(rejudge(project, failing))
    assert "worst" in measured
    assert "'texts'" in again
    assert again == measured


MARKED = """
import pytest

@pytest.mark.llm_threshold(perplexity_below=9)
def test_it(llm_measure):
    llm_measure("perplexity", ["some", "more"])
"""


def test_todays_marker_and_todays_file_decide(project: pytest.Pytester) -> None:
    record(project, MARKED)
    rejudge(project, MARKED).assert_outcomes(passed=1)
    rejudge(project, MARKED.replace("below=9", "below=7")).assert_outcomes(failed=1)
    project.makeini("[pytest]\nllm_thresholds = limits.toml")
    (project.path / "limits.toml").write_text('["test_it.py"]\nperplexity_below = 7\n')
    rejudge(project, MARKED).assert_outcomes(failed=1)


LOSSY = """
import os
import pytest

class Model:
    def score(self, texts):
        loss = float(os.environ.get("LOSS", "0"))
        return [[-2 - len(text) / 10 - loss * (1 + len(text) % 3 / 10)] * len(text) for text in texts]

@pytest.fixture(scope="session")
def llm():
    return Model()
"""
COMPARED = """
from pytest_llm import assert_no_regression

def test_it(llm):
    assert_no_regression(llm, ["a" * n for n in range(3, 43)])
"""


def test_todays_baseline_and_tolerance_decide(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makeconftest(LOSSY)
    project.makepyfile(test_it=COMPARED)
    project.runpytest("-p", "no:cacheprovider", "--llm-update-baselines").assert_outcomes(passed=1)
    monkeypatch.setenv("LOSS", "0.05")
    record(project, COMPARED)
    result = rejudge(project, COMPARED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["REGRESSED *% worse than baseline 'main'*"])
    rejudge(project, COMPARED.replace("43)]", "43)], tolerance='20%'")).assert_outcomes(passed=1)


def test_a_recorded_run_becomes_the_baseline_that_the_run_itself_would_have_made(project: pytest.Pytester) -> None:
    project.makeconftest(LOSSY)
    record(project, COMPARED)
    rejudge(project, COMPARED, "--llm-update-baselines").assert_outcomes(passed=1)
    (path,) = project.path.rglob("llm_baselines/**/*.json")
    from_record = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    project.makeconftest(LOSSY)
    project.runpytest("-p", "no:cacheprovider", "--llm-update-baselines=all").assert_outcomes(passed=1)
    assert (path.read_bytes(), path.with_suffix(".npz").read_bytes()) == from_record


def test_a_reference_model_comes_from_the_record_too(project: pytest.Pytester) -> None:
    compared = "import pytest\n" + COMPARED.replace("llm)", "llm, llm_reference)").replace(
        "43)]", "43)], reference=llm_reference"
    )
    project.makeconftest(
        LOSSY + "@pytest.fixture\ndef llm_reference():\n"
        "    class Better(Model):\n"
        "        def score(self, texts): return [[value + 0.3 for value in row] for row in super().score(texts)]\n"
        "    return Better()\n"
    )
    record(project, compared)
    result = rejudge(project, compared)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["REGRESSED *% worse than the reference Better*"])


@pytest.mark.parametrize(
    ("suite", "complaint"),
    [
        (SUITE.replace("test_it", "test_new"), "test_new is not in run.json*: no test of that id was recorded"),
        (
            SUITE.replace('"more"', '"less"'),
            "data: 1 example not in the record: #1; data: 1 example only in the record: #1",
        ),
        (SUITE.replace("9)", "9, add_bos=False)"), "settings: none were recorded, these are {'add_bos': False}"),
        (SUITE.replace("9)", "9, unit='byte')"), "byte_perplexity of test_it.py::test_it is not in run.json"),
        (
            SUITE + "    assert_perplexity_below(llm, TEXTS, 9)",
            "the test measured perplexity when it was recorded, and no more",
        ),
        (SUITE.replace("(llm, TEXTS", "([-1.0], ['a']"), "perplexity of test_it.py::test_it is not in run.json"),
        (
            SUITE.replace("TEXTS, 9", "[{'text': t, 'cluster': 'one'} for t in TEXTS], 9"),
            "3 examples in another cluster: #0",
        ),
    ],
)
def test_what_is_not_in_the_record_never_passes(project: pytest.Pytester, suite: str, complaint: str) -> None:
    record(project, SUITE)
    result = rejudge(project, suite.replace("[-1.0]", "[[-1.0]]"))
    result.assert_outcomes(failed=1)
    found = told(result)
    assert all(part in found for part in complaint.split("*")), found
    assert "run the test with its model, with --llm-json" in found


def test_a_limit_on_the_data_has_to_be_the_recorded_one(project: pytest.Pytester) -> None:
    record(project, SUITE, "--llm-limit", "2")
    rejudge(project, SUITE, "--llm-limit", "2").assert_outcomes(passed=1)
    result = rejudge(project, SUITE)
    result.assert_outcomes(failed=1)
    assert "1 example not in the record (recorded with --llm-limit)" in told(result)


def test_a_test_that_was_stopped_while_it_was_recorded_says_so(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=SUITE.replace("(llm):", "(llm):\n    raise KeyboardInterrupt"))
    project.inline_run("-p", "no:cacheprovider", "--llm-json", "run.json", no_reraise_ctrlc=True)
    result = rejudge(project, SUITE)
    assert "the test was interrupted when it was recorded" in told(result)
    result.stdout.fnmatch_lines(["llm: judging * no model is asked; that run did not come to its end"])


def test_measurements_come_in_their_order(project: pytest.Pytester) -> None:
    two = SUITE + "    assert_perplexity_below(llm, ['another'], 9)\n"
    record(project, two)
    turned = SUITE.replace("TEXTS, 9)", "['another'], 9)\n    assert_perplexity_below(llm, TEXTS, 9)")
    for suite in (two, turned):
        rejudge(project, suite).assert_outcomes(passed=1)


OTHERS = """
import pytest
from pytest_llm import (assert_chrf_above, assert_latency_below, assert_latency_no_regression, assert_metric_above,
    assert_model_size_below, assert_recovery_above, llm_metric)

PROMPTS = [{"text": f"say {n}", "id": f"p{n}", "target": f"said {n} times"} for n in range(20)]

@llm_metric("above")
def words(example, output):
    return len(output.split()), 1

def test_custom(writer):
    assert_metric_above(writer, PROMPTS, words, 2.5)

def test_bleu(writer):
    assert_chrf_above(writer, PROMPTS, 90)

def test_latency(writer):
    assert_latency_below(writer, PROMPTS, 30, confidence=None)

def test_size(writer):
    assert_model_size_below(writer, 7)

def test_recovery(writer):
    assert_recovery_above(writer, writer, PROMPTS, "chrf", 0.9)

def test_slowdown(writer):
    assert_latency_no_regression(writer, writer, PROMPTS, tolerance="900%")

def test_given():
    assert_chrf_above([prompt["target"] for prompt in PROMPTS], PROMPTS, 90)
"""
WRITER = """
import pytest

class Writer:
    name = "writer"
    def __init__(self):
        import torch
        self.module = torch.nn.Linear(2, 2)
    def generate(self, prompts, decoding):
        return [prompt.replace("say", "said") + " times" for prompt in prompts]

@pytest.fixture
def writer():
    return Writer()
"""
NO_WRITER = """
import pytest
from pytest_llm import load_model

@pytest.fixture
def writer():
    return load_model("no/such/model")
"""


def test_metrics_of_all_kinds_are_judged_again(project: pytest.Pytester) -> None:
    project.makeconftest(WRITER)
    project.makepyfile(test_it=OTHERS)
    measured = project.runpytest("-p", "no:cacheprovider", "-vv", "--llm-json", "run.json")
    measured.assert_outcomes(passed=7)
    project.makeconftest(NO_WRITER)
    again = rejudge(project, OTHERS)
    again.assert_outcomes(passed=7)
    verdicts = [line for line in measured.outlines if re.match(r"PASSED .*\[test_it", line)]
    assert len(verdicts) == 7
    assert [line for line in again.outlines if re.match(r"PASSED .*\[test_it", line)] == verdicts
    limits = {" 2.5)": " 3)", " 90)": " 100)", " 30,": " 1e-9,", " 7)": " 6)", " 0.9)": " 1)"}
    stricter = re.sub("|".join(map(re.escape, limits)), lambda old: limits[old[0]], OTHERS)
    rejudge(project, stricter).assert_outcomes(failed=6, passed=1)  # a ratio of times may well be below 1


def test_outputs_that_are_given_have_to_be_the_recorded_ones(project: pytest.Pytester) -> None:
    record(project, OTHERS, "-k", "given")
    result = rejudge(project, OTHERS.replace('[prompt["target"] for', "[prompt[\"target\"] + '!' for"), "-k", "given")
    result.assert_outcomes(failed=1)
    assert "outputs: those that are given are not those that were recorded" in told(result)


def test_what_asks_the_model_itself_is_told_that_there_is_none(project: pytest.Pytester) -> None:
    record(project, SUITE)
    result = rejudge(project, SUITE.replace("    assert_perp", "    llm.score(['more'])\n    assert_perp"))
    result.assert_outcomes(failed=1)
    assert "under --llm-rejudge there is no model that could be asked for 'score'" in told(result)


def test_what_a_fixture_measured_is_in_no_record(project: pytest.Pytester) -> None:
    with_fixture = SUITE.replace("(llm):", "(llm, before):") + (
        "\n@pytest.fixture\ndef before(llm):\n    return assert_perplexity_below(llm, TEXTS, 9)\n"
    )
    record(project, with_fixture)
    result = rejudge(project, with_fixture)
    result.assert_outcomes(errors=1)
    assert "perplexity of outside the body of a test is not in run.json" in told(result)


def test_a_test_for_a_gpu_is_judged_without_one(project: pytest.Pytester) -> None:
    record(project, SUITE)
    marked = SUITE.replace("def test_it", "@pytest.mark.llm_gpu(count=64)\ndef test_it")
    rejudge(project, marked.replace("(llm)", "(llm, llm_devices)")).assert_outcomes(passed=1)


def test_a_record_of_what_was_judged_again_holds_the_same_measurements(project: pytest.Pytester) -> None:
    record(project, SUITE)
    rejudge(project, SUITE.replace("9)", "7)"), "--llm-json", "again.json")
    first, again = (json.loads((project.path / name).read_text())["tests"][0] for name in ("run.json", "again.json"))
    (was,), (now,) = first["measurements"], again["measurements"]
    assert was.pop("recorded") == {}
    assert now.pop("recorded")["date"]
    assert was == now
    assert [test["verdicts"][0]["outcome"] for test in (first, again)] == ["passed", "failed"]


def test_a_worker_judges_as_one_process(project: pytest.Pytester) -> None:
    record(project, SUITE + SUITE.replace("test_it", "test_two"))
    project.makepyfile(test_it=SUITE + SUITE.replace("test_it", "test_two").replace("9)", "7)"))
    result = project.runpytest_subprocess(*FEW_PLUGINS, "--llm-rejudge", "run.json", "-n", "1")
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--llm-rejudge", "none.json"], "*--llm-rejudge: the run record *none.json cannot be read: No such file*"),
        (["--llm-rejudge", "test_it.py"], "*--llm-rejudge: *test_it.py is no run record: *"),
        (
            ["--llm-rejudge", "run.json", "--llm-model", "smollm2"],
            "*--llm-model with --llm-rejudge, which asks no model*",
        ),
        (["--llm-rejudge", "run.json", "--llm-json=run.json"], "*--llm-json would overwrite the record*"),
    ],
)
def test_what_makes_no_sense_is_refused(project: pytest.Pytester, arguments: Sequence[str], complaint: str) -> None:
    record(project, SUITE)
    result = project.runpytest("-p", "no:cacheprovider", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


PROBE = """
import sys, pytest
code = pytest.main(["-p", "no:cacheprovider", "--llm-rejudge", "run.json"])
print("PROBE", code, *{"torch", "transformers", "datasets", "hypothesis"} & {name.partition(".")[0] for name in sys.modules})
"""


def test_neither_torch_nor_transformers_is_imported_to_judge_what_a_real_model_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from pytest_llm import assert_no_regression, assert_perplexity_below, embedded

        DATA = embedded("data/held_out.jsonl")

        def test_reads(llm):
            assert_perplexity_below(llm, DATA, 60, confidence=0.95)

        def test_is_as_it_was(llm):
            assert_no_regression(llm, DATA)

        @pytest.mark.llm_threshold(bits_per_byte_below=1.6)
        @pytest.mark.llm_gpu
        def test_on_gpu(llm_measure, llm_device):
            llm_measure("bits_per_byte", DATA)
        """
    )
    path = pytester.path / "test_it.py"
    suite = path.read_text()
    path.write_text(
        suite.replace("@pytest.mark.llm_gpu", "")
    )  # so that it is recorded here, whatever hardware there is
    pytester.runpytest("-p", "no:cacheprovider", "--llm-update-baselines").assert_outcomes(passed=3)
    pytester.runpytest("-p", "no:cacheprovider", "--llm-json", "run.json").assert_outcomes(passed=3)
    path.write_text(suite)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_llm.plugin")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=pytester.path, capture_output=True, text=True, check=True, timeout=300
    )
    assert "3 passed" in done.stdout, done.stdout
    assert done.stdout.splitlines()[-1].split() == ["PROBE", "0"]
