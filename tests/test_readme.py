"""What the README shows is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytest_llm
from pytest_llm import fixtures, markers, metrics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quickstart_is_the_example() -> None:
    (shown,) = re.findall(r"<!-- examples/test_quickstart.py -->\n```python\n(.*?)```", README, re.DOTALL)
    assert (ROOT / "examples" / "test_quickstart.py").read_text(encoding="utf-8").endswith(shown)


def test_the_output_shown_is_the_output_printed(pytester: pytest.Pytester) -> None:
    (shown,) = re.findall(r"<!-- pytest examples/test_quickstart.py -->\n```console\n(.*?)```", README, re.DOTALL)
    (pytester.path / "test_quickstart.py").write_text((ROOT / "examples" / "test_quickstart.py").read_text())
    printed = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--llm-device=cpu").outlines
    for line in shown.splitlines():
        if line.startswith(("E  ", "PASSED", "FAILED")):
            assert line in printed


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in pytest_llm.__all__ if name[0].islower()),
        *markers.MARKERS,
        *metrics.METRICS,
        *(name for name in vars(fixtures) if name.startswith("llm")),
    ],
)
def test_everything_is_in_the_readme(name: str) -> None:
    assert f"`{name}" in README
