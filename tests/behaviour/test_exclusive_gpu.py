"""Promise: while a test marked llm_gpu(exclusive=True) runs, no other worker's test of a model uses its GPU (made up here)."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from pytest_llm.session.exclusive import holding
from tests.pytest_runs import FEW_PLUGINS

CONFTEST = """
    import pytest
    from pytest_llm.models import devices
    from pytest_llm.models.devices import Gpu

    devices.gpus = lambda: [Gpu(0, "Small", 24 * 10**9, (8, 9))]
"""
SUITE = """
    import time
    from pathlib import Path
    import pytest

    def alone_for(own, other):
        here = Path(__file__).parent
        (here / own).touch()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:  # both begin at once, where neither waits
            assert not (here / other).exists()
            time.sleep(0.01)
        (here / own).unlink()

    @pytest.mark.llm_gpu
    def test_shared(llm_device):
        alone_for("shared", "exclusive")

    @pytest.mark.llm_gpu(exclusive=True)
    def test_exclusive():
        alone_for("exclusive", "shared")
"""


def test_waits_for_the_others_and_they_for_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE)
    pytester.runpytest_subprocess("-n", "2", "--dist=load", *FEW_PLUGINS).assert_outcomes(passed=2)


def free(folder: Path, number: int, kind: int) -> bool:
    with (folder / f"llm-gpu-{number}.lock").open("a") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_locks_are_shared_or_not_and_let_go(tmp_path: Path) -> None:
    with holding(tmp_path, {1, 0}, exclusive=False):
        for number in (0, 1):
            assert free(tmp_path, number, fcntl.LOCK_SH)
            assert not free(tmp_path, number, fcntl.LOCK_EX)
    with holding(tmp_path, {1}, exclusive=True):
        assert not free(tmp_path, 1, fcntl.LOCK_SH)
        assert free(tmp_path, 0, fcntl.LOCK_EX)
    assert free(tmp_path, 1, fcntl.LOCK_EX)


def test_nonsense_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.llm_gpu(exclusive='yes')\ndef test_it(): pass\n")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*exclusive='yes': expected True or False"])
