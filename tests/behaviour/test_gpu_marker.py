"""Promise: `llm_gpu` skips with a reason that names what is missing, and gives each worker its own devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from pytest_llm.models import devices
from pytest_llm.models.devices import Gpu
from tests.pytest_runs import FEW_PLUGINS

Run: TypeAlias = Callable[..., pytest.RunResult]

SMALL = [Gpu(0, "Small", 24 * 10**9, (8, 9))]
LARGE = [Gpu(0, "Large", 80 * 10**9, (9, 0)), Gpu(1, "Large", 80 * 10**9, (9, 0))]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test file, in this process, on a machine with these GPUs."""

    def run(inventory: list[Gpu], test: str, *arguments: str) -> pytest.RunResult:
        monkeypatch.setattr(devices, "gpus", lambda: inventory)
        pytester.makepyfile("import pytest\n" + test)
        return pytester.runpytest_inprocess("-rs", "-p", "no:cacheprovider", *arguments)

    return run


@pytest.mark.parametrize(
    ("inventory", "marker", "reason"),
    [
        ([], "llm_gpu", "needs 1 GPU; no CUDA device is visible"),
        (SMALL, "llm_gpu(count=2)", "needs 2 GPUs; there is only cuda:0 (Small, 24 GB, capability 8.9)"),
        (SMALL, "llm_gpu(memory='40GB')", "needs 1 GPU of at least 40 GB; there is only cuda:0 (Small*"),
        (SMALL, "llm_gpu(capability=(9, 0))", "needs 1 GPU of compute capability 9.0 or newer; there is only*"),
    ],
)
def test_skips_and_says_what_is_missing(run: Run, inventory: list[Gpu], marker: str, reason: str) -> None:
    result = run(inventory, f"@pytest.mark.{marker}\ndef test_it(): pass\n")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED * test_skips_and_says_what_is_missing.py:2: {reason}"])


def test_runs_where_the_machine_will_do(run: Run) -> None:
    body = "@pytest.mark.llm_gpu(count=2, memory='40GB', capability=(9, 0))\ndef test_it(llm_devices):\n"
    run(LARGE, body + "    assert llm_devices == ['cuda:0', 'cuda:1']\n").assert_outcomes(passed=1)


def test_cpu_on_request_skips(run: Run) -> None:
    result = run(LARGE, "@pytest.mark.llm_gpu\ndef test_it(): pass\n", "--llm-device=cpu")
    result.stdout.fnmatch_lines(["SKIPPED * needs 1 GPU; --llm-device is cpu"])


def test_each_worker_has_a_device_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_llm.models import devices
        from pytest_llm.models.devices import Gpu

        devices.gpus = lambda: [Gpu(number, "Large", 80 * 10**9, (9, 0)) for number in range(2)]
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.llm_gpu
        @pytest.mark.parametrize("n", range(8))
        def test_it(n, llm_device, llm_devices, worker_id):
            assert [llm_device] == llm_devices == ["cuda:" + worker_id.removeprefix("gw")]
        """
    )
    pytester.runpytest_subprocess("-n", "2", *FEW_PLUGINS).assert_outcomes(passed=8)


@pytest.mark.parametrize("arguments", ["count=0", "count='2'", "memory='lots'", "capability=9", "gigabytes=40"])
def test_wrong_arguments_are_usage_errors_at_collection(run: Run, arguments: str) -> None:
    result = run([], f"@pytest.mark.llm_gpu({arguments})\ndef test_it(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *::test_it: *llm_gpu*"])


def test_devices_without_the_marker_are_a_usage_error(run: Run) -> None:
    result = run(LARGE, "def test_it(llm_devices): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*llm_devices is for tests marked llm_gpu"])
