"""Promise: what a model has answered is not asked again in a later run, and nothing that happens to the cache fails one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pytest_llm.inference.cache_file import NAME
from tests.pytest_runs import CACHE_AND_FEW_PLUGINS

MODEL = """
    import math, os, signal
    from pathlib import Path
    import numpy as np
    import pytest

    class Uniform:
        '''Says that it is always the same, and writes each text that it is asked about into a file.'''
        max_length, prefix_token = 10**6, 0
        log = Path("asked")

        def cache_key(self):
            return "uniform"

        def encode(self, texts):
            return [[1, *text.encode()] for text in texts]

        def score_windows(self, windows):
            texts = [bytes(window.tokens[2:]).decode() for window in windows]
            if any(text.startswith("die") for text in texts) and os.environ.get("DYING"):
                os.kill(os.getpid(), signal.SIGKILL)
            with self.log.open("a") as file:
                file.writelines(f"{text[:10]}\\n" for text in texts)
            return [np.full(window.scored, -math.log(8)) for window in windows]

    @pytest.fixture(scope="session")
    def llm():
        return Uniform()
"""
SUITE = """
    import pytest
    from pytest_llm import assert_perplexity_below

    @pytest.mark.parametrize("letter", "abcd")
    def test_it(llm, letter):
        assert_perplexity_below(llm, [f"{letter} one", f"{letter} two"], 9)
        assert_perplexity_below(llm, [f"{letter} one", f"{letter} two"], 4, unit="bits_per_byte")
"""
ALL = sorted(f"{letter} {number}" for letter in "abcd" for number in ("one", "two"))


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(MODEL)
    pytester.makepyfile(SUITE)
    return pytester


def asked(pytester: pytest.Pytester) -> list[str]:
    """What the model was asked about since this was last looked at."""
    log = pytester.path / "asked"
    found = sorted(log.read_text().splitlines()) if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def in_pytest_cache(pytester: pytest.Pytester) -> Path:
    return pytester.path / ".pytest_cache" / "d" / "llm-regression" / NAME


def test_a_second_run_asks_nothing(suite: pytest.Pytester) -> None:
    for expected in (ALL, []):
        suite.runpytest_inprocess().assert_outcomes(passed=4)
        assert asked(suite) == expected
    assert in_pytest_cache(suite).is_file()


@pytest.mark.parametrize("arguments", [["--llm-cache=off"], ["-p", "no:cacheprovider"]])
def test_it_can_be_switched_off(suite: pytest.Pytester, arguments: list[str]) -> None:
    for _ in range(2):
        suite.runpytest_inprocess(*arguments).assert_outcomes(passed=4)
        assert asked(suite) == ALL
    assert not in_pytest_cache(suite).exists()


def test_pytest_clears_it_with_its_own(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess()
    asked(suite)
    suite.runpytest_inprocess("--cache-clear").assert_outcomes(passed=4)
    assert asked(suite) == ALL


@pytest.mark.parametrize("how", ["option", "environment", "ini"])
def test_it_can_be_elsewhere(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "environment":
        monkeypatch.setenv("PYTEST_LLM_CACHE", "some/where")
    if how == "ini":
        suite.makeini("[pytest]\nllm_cache = some/where\n")
    arguments = ["--llm-cache=some/where"] if how == "option" else []
    for expected in (ALL, []):
        suite.runpytest_inprocess("-p", "no:cacheprovider", *arguments).assert_outcomes(passed=4)
        assert asked(suite) == expected
    assert (suite.path / "some" / "where" / NAME).is_file()


def test_the_option_wins_over_the_ini_key(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nllm_cache = some/where\n")
    suite.runpytest_inprocess("--llm-cache=off").assert_outcomes(passed=4)
    assert not (suite.path / "some").exists()


def test_its_size_is_an_ini_key(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nllm_cache_size = 1 kB\n")
    for _ in range(2):
        suite.runpytest_inprocess().assert_outcomes(passed=4)
        assert asked(suite) == ALL


def test_a_size_that_is_none_is_a_usage_error(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nllm_cache_size = large\n")
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ini key llm_cache_size: memory 'large': expected something like '40GB'*"])


def test_a_run_that_was_killed_goes_on_where_it_was(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text is a part of its own, so that what was asked before is on disk; the process gets SIGKILL at the third."""
    pytester.makeconftest(MODEL)
    pytester.makepyfile(
        """
        from pytest_llm import assert_perplexity_below

        def test_it(llm):
            assert_perplexity_below(llm, [name + 70_000 * "x" for name in ("one ", "two ", "die ", "four")], 9)
        """
    )
    monkeypatch.setenv("DYING", "yes")
    assert pytester.runpytest_subprocess(*CACHE_AND_FEW_PLUGINS).ret == -signal.SIGKILL
    assert asked(pytester) == ["one xxxxxx", "two xxxxxx"]
    monkeypatch.delenv("DYING")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert asked(pytester) == ["die xxxxxx", "fourxxxxxx"]


def test_workers_share_it(suite: pytest.Pytester) -> None:
    """They find what was there, and what they write is found."""
    suite.runpytest_inprocess("-k", "[a]").assert_outcomes(passed=1, deselected=3)
    assert asked(suite) == ["a one", "a two"]
    suite.runpytest_subprocess("-n", "2", "--dist", "load", *CACHE_AND_FEW_PLUGINS).assert_outcomes(passed=4)
    assert asked(suite) == [text for text in ALL if not text.startswith("a")]
    suite.runpytest_inprocess().assert_outcomes(passed=4)
    assert asked(suite) == []


@pytest.mark.parametrize("damage", ["cut off", "foreign"])
def test_a_file_that_cannot_be_trusted_is_set_aside_with_a_warning(suite: pytest.Pytester, damage: str) -> None:
    suite.runpytest_inprocess()
    asked(suite)
    path = in_pytest_cache(suite)
    path.write_bytes(path.read_bytes()[:9000] if damage == "cut off" else b"a diary" * 1000)
    result = suite.runpytest_inprocess()
    result.assert_outcomes(passed=4, warnings=1)
    result.stdout.fnmatch_lines([f"*CacheWarning: the cache *{NAME} cannot be trusted (*set aside as {NAME}.aside-1*"])
    assert asked(suite) == ALL
    suite.runpytest_inprocess().assert_outcomes(passed=4)
    assert asked(suite) == []


@pytest.mark.parametrize("arguments", [[], ["-W", "error"]])
def test_a_place_that_cannot_be_written_to_ends_in_one_warning(suite: pytest.Pytester, arguments: list[str]) -> None:
    (suite.path / "file").touch()
    result = suite.runpytest_inprocess("--llm-cache=file/cache", *arguments)
    result.assert_outcomes(passed=4, warnings=1)
    result.stdout.fnmatch_lines(["*CacheWarning: answers are not kept on disk from here on: *"])
    assert asked(suite) == ALL


def test_a_run_that_asks_no_model_makes_no_file(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert not in_pytest_cache(pytester).parent.exists()
