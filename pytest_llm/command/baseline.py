"""`pytest-llm baseline`: show, compare, check, remove and import stored baselines."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.baselines.inventory import (
    Stored,
    baseline_at,
    baselines_below,
    baselines_by_gate,
    baselines_named,
    problems,
    remove,
)
from pytest_llm.command import importing, noting
from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError
from pytest_llm.wording import counted

if TYPE_CHECKING:
    from pytest_llm.judging.verdict import Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    showing = actions.add_parser("show", help="print baselines for people")
    showing.add_argument("files", metavar="PATH", nargs="+", type=Path, help="a baseline's .json file")
    showing.set_defaults(action=show)

    comparing = actions.add_parser(
        "diff", help="compare two baselines, or all of two names or folders, as a test would"
    )
    comparing.add_argument("before", metavar="A", help="a baseline's .json file, a folder, or a name such as main")
    comparing.add_argument("after", metavar="B", help="likewise: what is held against A")
    comparing.add_argument("--below", metavar="DIR", type=Path, default=Path(), help="where to look for names")
    comparing.add_argument("--tolerance", metavar="AMOUNT", help="as in assert_no_regression; default: the metric's")
    comparing.add_argument("--alpha", type=float, default=0.01, help="how often no change may be called one (0.01)")
    comparing.set_defaults(action=diff)

    verifying = actions.add_parser("verify", help="read every baseline below a folder, and say what is wrong")
    verifying.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path())
    verifying.set_defaults(action=verify)

    justifying = actions.add_parser("noted", help=noting.HELP)
    noting.add_arguments(justifying)
    justifying.set_defaults(action=noting.run)

    from_others = actions.add_parser("import", help=importing.HELP)
    importing.add_arguments(from_others)
    from_others.set_defaults(action=importing.run)

    dropping = actions.add_parser("drop", help="remove a baseline, or all of one name")
    dropping.add_argument("which", metavar="PATH|NAME", help="a baseline's .json file; or a name, such as v1.0")
    dropping.add_argument("--below", metavar="DIR", type=Path, default=Path(), help="where to look for the name")
    dropping.add_argument("--yes", action="store_true", help="remove; else only what would go is listed")
    dropping.set_defaults(action=drop)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options)
    return code


def show(options: argparse.Namespace) -> int:
    """Always 0."""
    from pytest_llm.baselines.files import read
    from pytest_llm.reports.baseline import lines

    for path in options.files:
        print("\n".join(lines(read(path), path)))
    return DONE


def diff(options: argparse.Namespace) -> int:
    """1 if something regressed, cannot be compared, or is in A alone."""
    before, after = (baselines_by_gate(which, options.below) for which in (options.before, options.after))
    gone, new = [before[gate] for gate in before.keys() - after], [after[gate] for gate in after.keys() - before]
    failed = bool(gone)
    for gate in sorted(before.keys() & after.keys()):
        verdict = _compared(before[gate], after[gate], options)
        failed = failed or not verdict.passed
        print(f"{verdict.outcome.value.upper():<12} {verdict}")
    for line in [*_only("A", gone), *_only("B", new)]:
        print(line)
    return WRONG if failed else DONE


def _compared(before: Stored, after: Stored, options: argparse.Namespace) -> Verdict:
    from pytest_llm.baselines.baseline import as_measurement
    from pytest_llm.baselines.comparing import judge_against
    from pytest_llm.baselines.files import read
    from pytest_llm.metrics import default_tolerance
    from pytest_llm.tolerance import Tolerance, parse_amount

    old, new = read(before.path), read(after.path)
    amount = default_tolerance(new.metric) if options.tolerance is None else options.tolerance
    tolerance = Tolerance(parse_amount("--tolerance", amount), options.alpha)
    return judge_against(as_measurement(new), tolerance, old, str(before.path))


def _only(side: str, stored: list[Stored]) -> Iterator[str]:
    return (f"{f'ONLY IN {side}':<12} {one.path}" for one in sorted(stored, key=lambda one: one.path))


def verify(options: argparse.Namespace) -> int:
    """1 if something is wrong with a baseline."""
    stored = baselines_below(options.folder)
    if not stored:
        raise MisuseError(f"there is no baseline below {options.folder.resolve()}")
    wrong = [f"{one.path}: {problem}" for one in stored for problem in problems(one)]
    for line in wrong:
        print(line)
    print(f"{counted(len(stored), 'baseline')}: {f'{len(wrong)} wrong' if wrong else 'all sound'}")
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
