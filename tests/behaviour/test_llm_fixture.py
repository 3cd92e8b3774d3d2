"""Promise: `llm` is the model of --llm-model, else PYTEST_LLM_MODEL, else the ini key, else the one that is shipped."""

from __future__ import annotations

import pytest

NAME = "def test_it(llm):\n    print('the model is', llm.name)\n"


def run(pytester: pytest.Pytester, test: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test)
    return pytester.runpytest("-s", "-p", "no:cacheprovider", *arguments)


def test_default_is_the_shipped_model(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "def test_it(llm, llm_device):\n    assert llm.name == 'tiny-decoder' and str(llm.device) == llm_device\n",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("given", ["option", "environment", "ini"])
def test_nearer_origin_wins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Each origin names a folder that is not there, so that the error tells which one was taken."""
    origins = {"option": "--llm-model", "environment": "PYTEST_LLM_MODEL", "ini": "ini key llm_model"}
    pytester.makeini("[pytest]\nllm_model = ./from-ini\n")
    if given != "ini":
        monkeypatch.setenv("PYTEST_LLM_MODEL", "./from-environment")
    arguments = ["--llm-model=./from-option"] if given == "option" else []
    result = run(pytester, NAME, *arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"E *UsageError: {origins[given]}: no model at './from-{given}': no such file or folder*"]
    )


def test_error_shows_no_frame_of_ours(pytester: pytest.Pytester) -> None:
    result = run(pytester, NAME, "--llm-model=./nowhere")
    result.stdout.no_fnmatch_line("*def load_model*")
    result.stdout.no_fnmatch_line("*loading.py*")


def test_dtype_option(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(llm):\n    assert llm.provenance.dtype == 'bfloat16'\n", "--llm-dtype=bfloat16")
    result.assert_outcomes(passed=1)


def test_device_that_is_not_there_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, NAME, "--llm-device=cuda:99")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *UsageError: --llm-device: device 'cuda:99' is not there; this machine has: cpu*"])


def test_model_is_loaded_once_a_session(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
seen = []

def test_first(llm):
    seen.append(llm)

def test_second(llm):
    assert seen == [llm]
""",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(("size", "loads"), [("", 1), ("llm_models_size = 0", 2)])
def test_a_model_given_by_name_is_loaded_once_unless_none_is_kept(
    pytester: pytest.Pytester, size: str, loads: int
) -> None:
    pytester.makeini(f"[pytest]\nllm_cache = off\n{size}\n")
    pytester.makepyfile(
        """
        import pytest
        from pytest_llm import assert_perplexity_below
        from pytest_llm.models import loading

        calls = []
        real = loading.load_model

        @pytest.fixture(autouse=True)
        def counted(monkeypatch):
            monkeypatch.setattr(loading, "load_model", lambda source: calls.append(source) or real(source))

        @pytest.mark.parametrize("text", ["One text.", "Another."])
        def test_it(text):
            assert_perplexity_below("tiny-decoder", [text], 1e6)

        def test_loads():
            assert len(calls) == LOADS
        """.replace("LOADS", str(loads))
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_a_size_of_models_that_is_none_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nllm_models_size = large\n")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ini key llm_models_size: memory 'large'*"])
