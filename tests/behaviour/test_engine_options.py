"""Promise: --llm-deterministic and --llm-processes say how models are asked, unless an assertion's engine= does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llm.fixtures import _placed

COUNTING = """
    import math
    from pytest_llm import Engine, assert_perplexity_below

    TEXTS = ["one", "two", "three"]

    class Counting:
        def __init__(self):
            self.calls = []

        def score(self, texts):
            self.calls.append(len(texts))
            return [[-math.log(8)] * len(text) for text in texts]

    def test_calls():
        model = Counting()
        assert_perplexity_below(model, TEXTS, 9)
        print("asked about", model.calls)

    def test_engine_wins():
        model = Counting()
        assert_perplexity_below(model, TEXTS, 9, engine=Engine())
        print("with its own engine", model.calls)
"""
CONFESSING = """
    import math, os
    import pytest
    from pytest_llm import Engine, measure

    class Confessing:
        '''Its perplexity is the number of the process that answers, so that the test can tell which did.'''

        def score(self, texts):
            return [[-math.log(os.getpid())] for text in texts]

    def test_process():
        model = Confessing()
        for engine in (None, Engine()):
            here = measure(model, ["one", "two"], "perplexity", engine=engine).value == pytest.approx(os.getpid(), rel=1e-9)
            print("here" if here else "elsewhere", "with", engine)
"""


def run(pytester: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(suite)
    return pytester.runpytest_inprocess("-s", "-p", "no:cacheprovider", *arguments)


def test_by_default_a_model_is_asked_about_all_texts_at_once(pytester: pytest.Pytester) -> None:
    result = run(pytester, COUNTING)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*asked about [[]3]", "*with its own engine [[]3]"])


def test_deterministic_asks_about_one_text_at_a_time(pytester: pytest.Pytester) -> None:
    result = run(pytester, COUNTING, "--llm-deterministic")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*asked about [[]1, 1, 1]", "*with its own engine [[]3]"])


@pytest.mark.parametrize(("arguments", "where"), [((), "here"), (("--llm-processes=2",), "elsewhere")])
def test_processes_answer_in_place_of_this_one(
    pytester: pytest.Pytester, arguments: tuple[str, ...], where: str
) -> None:
    result = run(pytester, CONFESSING, *arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*{where} with None", "here with Engine(*"])


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_a_number_that_is_none_is_a_usage_error(pytester: pytest.Pytester, given: str) -> None:
    result = pytester.runpytest(f"--llm-processes={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--llm-processes: '{given}': expected a whole number of processes, at least 1"])


@pytest.mark.parametrize(
    ("engine", "where"),
    [("local", {"device_map": "auto"}), ("ranks", {"device_map": "auto"}), ("ray", {"device": "cpu"})],
)
def test_where_actors_spread_the_model_this_process_leaves_gpus_alone(engine: str, where: dict[str, str]) -> None:
    given = {"llm_device_map": "auto", "llm_engine": engine, "llm_dtype": "bfloat16"}
    config: Any = SimpleNamespace(getoption=given.__getitem__)
    assert _placed(config, "cuda:0") == {**where, "dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--llm-ray-gpus=1"], "--llm-ray-gpus says something of --llm-engine ray: give that too"),
        (["--llm-engine=ray", "--llm-ray-actors=0"], "--llm-engine ray: actors=0: expected a whole number, at least 1"),
        (["--llm-engine=ray", "--llm-device-map=gpus"], "--llm-engine ray: device_map='gpus': expected one of 'auto'"),
        (["--llm-engine=ray", "--llm-processes=2"], "--llm-engine ray: the actors of a cluster are its processes"),
        (["--llm-engine=ray", "--llm-ray-address=local", "-n1"], "each worker of -n would start a cluster of its own"),
    ],
)
def test_options_of_a_cluster_that_contradict_are_usage_errors(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
