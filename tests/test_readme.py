"""What the README shows is what there is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import pytest_llm
from pytest_llm import fixtures, markers, metrics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quickstart_is_the_whole_example() -> None:
    (shown,) = re.findall(r"<!-- examples/test_quickstart.py -->\n```python\n(.*?)```", README, re.DOTALL)
    assert (ROOT / "examples" / "test_quickstart.py").read_text(encoding="utf-8").endswith(shown)


def test_what_is_shown_of_an_example_stands_in_it() -> None:
    shown = re.findall(r"<!-- (examples/\w+.py) -->\n```python\n(.*?)```", README, re.DOTALL)
    assert len(shown) == 12
    for name, part in shown:
        assert part in (ROOT / name).read_text(encoding="utf-8")


TIME = re.compile(r" +[\d,]+(\.\d+)?(?=  \d+ (new|cached|known)\b)")
"""What a table says of seconds: the only figures that differ from run to run."""


def without_times(lines: list[str]) -> list[str]:
    return [TIME.sub("  0.00", line) for line in lines]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as the README says, and not CI's, where nothing is cut."""
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


COMMANDS = re.findall(r"<!-- pytest examples/(\w+.py)(.*?) -->\n```console\n(.*?)```", README, re.DOTALL)


LONG = ("test_robustness.py", "test_against_baseline.py")
"""Whose figures `tests/test_examples.py` sees in each run, in a session with others."""


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [pytest.param(*one, marks=[pytest.mark.slow] * (one[0] in LONG), id=one[0]) for one in COMMANDS],
)
def test_the_output_shown_is_the_output_printed(
    pytester: pytest.Pytester, name: str, arguments: str, shown: str
) -> None:
    shutil.copy(ROOT / "examples" / name, pytester.path)
    shutil.copytree(ROOT / "examples" / "llm_baselines", pytester.path / "llm_baselines")
    printed = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--llm-device=cpu", *arguments.split()).outlines
    lines = [line for line in shown.splitlines() if line.startswith(("E  ", "verdict", "PASSED", "FAILED"))]
    assert len(lines) > 4
    for line in without_times(lines):
        assert line in without_times(printed)


def test_the_record_shown_is_judged_as_shown(pytester: pytest.Pytester) -> None:
    (shown,) = re.findall(
        r"<!-- record and rejudge examples/test_quickstart.py -->\n```console\n(.*?)```", README, re.DOTALL
    )
    old, new = re.findall(r"sed -i 's/(.+?)/(.+?)/'", shown)[0]
    example = pytester.path / "test_quickstart.py"
    shutil.copy(ROOT / "examples" / "test_quickstart.py", example)
    for option in ("--llm-json", "--llm-rejudge"):
        assert f"{option} run.json" in shown
        printed = pytester.runpytest("-p", "no:cacheprovider", "--llm-device=cpu", option, "run.json").outlines
        example.write_text(example.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    for line in [line for line in shown.splitlines() if line.startswith(("E  ", "verdict", "PASSED", "FAILED"))]:
        assert line in printed


def test_the_table_shown_is_the_table_written(pytester: pytest.Pytester) -> None:
    (shown,) = re.findall(r"<!-- markdown of examples/test_quickstart.py -->\n```console\n(.*?)```", README, re.DOTALL)
    shutil.copy(ROOT / "examples" / "test_quickstart.py", pytester.path)
    pytester.runpytest("-p", "no:cacheprovider", "--llm-device=cpu", "--llm-markdown", "quality.md")
    written = (pytester.path / "quality.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in shown.splitlines() if line.startswith(("#", "|"))]
    assert len(rows) == 5
    assert rows == [line for line in written if line.startswith(("#", "|"))]


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in pytest_llm.__all__ if name[0].islower()),
        *markers.MARKERS,
        *metrics.METRICS,
        *(name for name in vars(fixtures) if name.startswith(("llm", "transformer_"))),
    ],
)
def test_everything_is_in_the_readme(name: str) -> None:
    assert f"`{name}" in README
