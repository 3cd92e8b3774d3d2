"""`pytest-llm baseline noted`: a Git hook that refuses a commit that changes baselines and does not say why."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from pytest_llm.baselines.shelf import FOLDER
from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError
from pytest_llm.reports.staged import TRAILER, StagedBaseline, is_noted, lines

HELP = f"for a commit-msg hook: refuse a commit that changes baselines, unless its message has a line `{TRAILER}: why`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "message", metavar="FILE", type=Path, help="the message of the commit, as Git hands it to the hook"
    )


def run(options: argparse.Namespace) -> int:
    """1 if baselines are staged, and the message says nothing of them."""
    try:
        message = options.message.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MisuseError(f"the message {options.message} cannot be read: {error.strerror}") from None
    staged = _staged()
    if not staged or is_noted(message):
        return DONE
    print("\n".join(lines(staged)))
    return WRONG


def _staged() -> list[StagedBaseline]:
    """What differs from the last commit; in a merge, from both: what came in with a branch was noted there."""
    parents = [
        parent for parent in ("HEAD", "MERGE_HEAD") if _git("rev-parse", "--quiet", "--verify", parent) is not None
    ]
    found = [_changed(parent) for parent in parents] or [_changed()]
    paths = {str(Path(path).with_suffix(".json").as_posix()) for path in set.intersection(*found)}
    return [StagedBaseline(path, _git("show", f"HEAD:{path}"), _git("show", f":{path}")) for path in sorted(paths)]


def _changed(*parent: str) -> set[str]:
    listed = _git("diff", "--cached", "--name-only", "-z", "--no-renames", *parent, "--", f":(top,glob)**/{FOLDER}/**")
    if listed is None:
        raise MisuseError(f"Git cannot say what is staged in {Path.cwd()}: is it a repository?")
    return set(filter(None, listed.decode("utf-8", "surrogateescape").split("\0")))


def _git(*arguments: str) -> bytes | None:
    """What Git prints; None if it refuses."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        raise MisuseError("there is no `git` on PATH") from None
    return done.stdout if done.returncode == 0 else None
