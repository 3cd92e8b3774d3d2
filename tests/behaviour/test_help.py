"""Promise: `pytest --markers`, `--help` and `--fixtures` describe everything in plain words."""

from __future__ import annotations

import pytest

from pytest_llm import markers


def test_markers_show_their_signature_and_meaning(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.llm_threshold(suite=None, /, [*][*]limits): Check what the test measured*",
            "@pytest.mark.llm_gpu(count=1, memory=0, capability=(0, 0), exclusive=False): Run the test only on a machine*",
            "@pytest.mark.llm_nightly(): Run the test only when*",
        ]
    )


@pytest.mark.parametrize("name", markers.MARKERS)
def test_each_marker_has_a_docstring(name: str) -> None:
    assert markers.MARKERS[name].__doc__


def test_options_and_ini_keys_are_in_the_help(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest("--help").stdout.str()
    for name in (
        "--llm-model=MODEL",
        "--llm-device=DEVICE",
        "--llm-dtype",
        "--llm-nightly",
        "--llm-deterministic",
        "--llm-processes=N",
        "--llm-cache=DIR",
        "llm_cache_size",
        "llm_model",
        "llm_thresholds",
    ):
        assert name in text


def test_fixtures_say_what_they_give(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--fixtures")
    text = result.stdout.str()
    for name, meaning in {
        "llm": "The model under test",
        "llm_device": "Device for models",
        "llm_devices": "Devices of a test marked llm_gpu",
        "llm_measure": "Measure and leave the verdict",
    }.items():
        assert f"\n{name} " in text
        assert meaning in text
