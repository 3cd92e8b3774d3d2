"""Whatever a file or a text holds, a reader of ours gives a value or says in a line what is wrong with it.

The table of readers is `parsers.py`, what they must not do `watching.py`. What was found once is kept in
`findings/` and tried again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from tests.fuzzing.mutation import LONGEST, mutated
from tests.fuzzing.parser import Parser, of_text, texts
from tests.fuzzing.parsers import PARSERS
from tests.fuzzing.watching import FindingError, examine

_FOLDER = Path(__file__).parent
_FOUND = sorted(path.relative_to(_FOLDER / "findings") for path in _FOLDER.glob("findings/*/*"))
_SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=2 * settings().max_examples)
@given(random=st.randoms(use_true_random=False))
def test_no_input_makes_a_reader_do_what_it_must_not(name: str, random: Random) -> None:
    examine(PARSERS[name], mutated(random, PARSERS[name].seeds()))


@pytest.mark.parametrize("found", _FOUND, ids=str)
def test_what_was_found_once_is_mended(found: Path) -> None:
    examine(PARSERS[found.parts[0]], (_FOLDER / "findings" / found).read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_campaign_led_by_coverage_finds_nothing(name: str, tmp_path: Path) -> None:
    """`FUZZ_SECONDS` for each reader, 600 by default: half a day for all."""
    pytest.importorskip("atheris", reason="needs the dependency group `fuzzing`")
    command = [sys.executable, "-m", "tests.fuzzing.fuzz", name, f"--seconds={_SECONDS}", f"--keep={tmp_path}"]
    done = subprocess.run(command, cwd=_FOLDER.parents[1], capture_output=True, text=True, timeout=50 * _SECONDS + 300)
    found = [line for line in done.stdout.splitlines() if line.startswith("FINDING")]
    assert not found, "\n".join(found)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr


def _endless(text: str) -> None:
    end = time.process_time() + 60
    while time.process_time() < end:
        pass


def _said(text: str) -> None:
    raise MisuseError("no")


@pytest.mark.parametrize(
    ("parse", "said"),
    [
        (int, "ValueError"),
        (lambda text: bytearray(2**36), "MemoryError"),
        (lambda text: open(sys.executable, "rb").close(), "touched the file"),
        (_said, "does not say which file"),
    ],
)
def test_what_a_reader_must_not_do_is_found(parse, said: str) -> None:  # type: ignore[no-untyped-def]
    parser = Parser(of_text(lambda text: None if text == "sound" else parse(text)), texts("sound"))
    examine(parser, b"sound")
    with pytest.raises(FindingError, match=said):
        examine(parser, b"unsound")


def test_a_reader_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzzing.watching.SECONDS", 0.2)
    parser = Parser(of_text(lambda text: None if text == "sound" else _endless(text)), texts("sound"))
    with pytest.raises(FindingError, match="of the processor"):
        examine(parser, b"unsound")


def test_what_is_written_has_to_be_read_as_it_was() -> None:
    parser = Parser(
        of_text(float), texts("1.25"), allowed=(ValueError,), names_file=False, write=lambda value: b"%.1f" % value
    )
    examine(parser, b"1.5")
    with pytest.raises(FindingError, match="read as another value"):
        examine(parser, b"1.25")


@given(random=st.randoms(use_true_random=False), seeds=st.lists(st.binary(), min_size=1, max_size=3))
def test_anything_can_be_mutated(random: Random, seeds: list[bytes]) -> None:
    assert len(mutated(random, seeds)) <= max(LONGEST, *map(len, seeds))
