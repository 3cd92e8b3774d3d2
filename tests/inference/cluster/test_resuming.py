"""The process that asks is killed: what was answered is on disk, its actors end, and the same run goes on from there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.inference.cluster.resumed import TEXTS


def driver(folder: Path) -> subprocess.Popen[str]:
    program = f"from tests.inference.cluster.resumed import main; main({str(folder)!r})"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked(folder: Path) -> list[str]:
    return [line for letter in folder.glob("?") for line in letter.read_text().splitlines()]


@pytest.mark.slow
def test_a_killed_driver_resumes_from_the_cache(ray_cluster: Any, tmp_path: Path) -> None:
    killed = driver(tmp_path)
    while len(asked(tmp_path)) < 7 and killed.poll() is None:
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    again = driver(tmp_path)
    out, err = again.communicate()
    assert again.returncode == 0, err
    cached, computed = map(int, out.split())
    # two actors may have had two stretches each that nobody had answered
    assert cached >= 7 - 4
    assert cached + computed == len(TEXTS)
    assert len(asked(tmp_path)) <= len(TEXTS) + 4
