"""Promise: when a test that failed is reported, what its frames hold can be collected before the next test is set up."""

from __future__ import annotations

import sys

import pytest

SUITE = """
    import gc, sys, weakref
    import pytest

    class Weights:
        pass

    made = []

    def make():
        weights = Weights()
        made.append(weakref.ref(weights))
        return weights

    def alive():
        gc.collect()
        return sum(one() is not None for one in made)

    @pytest.fixture
    def loaded():
        return make()

    @pytest.fixture(scope="session")
    def broken():
        model = make()
        raise ValueError("does not fit")

    @pytest.fixture
    def left():
        return alive()

    def inner():
        model = make()
        raise ValueError("inner")

    def test_fails(loaded):
        model = make()
        try:
            inner()
        except ValueError:
            raise RuntimeError("outer")

    def test_next(left):
        assert left == EXPECTED

    def test_not_set_up(broken): pass

    def test_last(left):
        assert left == EXPECTED
"""


def test_failures_are_let_go(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE.replace("EXPECTED", "0"))
    result = pytester.runpytest_inprocess("--showlocals")
    result.assert_outcomes(failed=1, errors=1, passed=2)
    result.stdout.fnmatch_lines(["model *= <*.Weights object at *>"])  # the report was made before


def test_without_our_models_tracebacks_stay_as_they_are(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pytest_llm.models.loading")
    pytester.makepyfile(SUITE.replace("left == EXPECTED", "left > 0"))
    pytester.runpytest_inprocess().assert_outcomes(failed=1, errors=1, passed=2)
