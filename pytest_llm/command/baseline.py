"""`pytest-llm baseline`: check and remove stored baselines."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_llm.baselines.inventory import baseline_at, baselines_below, baselines_named, problems, remove
from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    verifying = actions.add_parser("verify", help="read every baseline below a folder, and say what is wrong")
    verifying.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path())
    verifying.set_defaults(action=verify)

    dropping = actions.add_parser("drop", help="remove a baseline, or all of one name")
    dropping.add_argument("which", metavar="PATH|NAME", help="a baseline's .json file; or a name, such as v1.0")
    dropping.add_argument("--below", metavar="DIR", type=Path, default=Path(), help="where to look for the name")
    dropping.add_argument("--yes", action="store_true", help="remove; else only what would go is listed")
    dropping.set_defaults(action=drop)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options)
    return code


def verify(options: argparse.Namespace) -> int:
    """1 if something is wrong with a baseline."""
    stored = baselines_below(options.folder)
    if not stored:
        raise MisuseError(f"there is no baseline below {options.folder.resolve()}")
    wrong = [f"{one.path}: {problem}" for one in stored for problem in problems(one)]
    for line in wrong:
        print(line)
    print(f"{len(stored)} baseline{'s' * (len(stored) != 1)}: {f'{len(wrong)} wrong' if wrong else 'all sound'}")
    return WRONG if wrong else DONE


def drop(options: argparse.Namespace) -> int:
    """1 if nothing was removed, because it was not confirmed."""
    path = Path(options.which)
    stored = [baseline_at(path)] if path.is_file() else baselines_named(options.which, options.below)
    for one in stored:
        for file in one.files:
            print(f"{'removed' if options.yes else 'would remove'} {file}")
        if options.yes:
            remove(one)
    if options.yes:
        return DONE
    print("nothing was removed: add --yes to remove this")
    return WRONG
