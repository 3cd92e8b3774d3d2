"""`pytest-llm corpus`: list stored counter-examples, and say what each is: known, fixed, accepted, or to be forgotten."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.adversarial.corpus import FOLDER, State, read_corpus, with_state, write_corpus
from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.adversarial.corpus import Entry

STATES: dict[str, State] = {"open": "open", "fix": "fixed", "accept": "accepted"}
HELP = {
    "open": "it is known to fail, and fails no test",
    "fix": "it must not fail any more",
    "accept": "it may fail, and nobody will mend it",
    "drop": "forget it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="print counter-examples for people")
    listing.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path())
    listing.add_argument("--state", choices=["open", "fixed", "accepted"], help="only these")
    listing.set_defaults(action=show)

    for name, meaning in HELP.items():
        changing = actions.add_parser(name, help=meaning)
        changing.add_argument(
            "ids", metavar="ID", nargs="+", help="or the beginning of one, as pytest --llm-replay takes it"
        )
        changing.add_argument("--below", metavar="DIR", type=Path, default=Path(), help="where to look for them")
        changing.set_defaults(action=change, name=name)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options)
    return code


def show(options: argparse.Namespace) -> int:
    """Always 0."""
    from pytest_llm.reports.corpus import listed_lines

    corpora = dict(_corpora(options.folder))
    if not corpora:
        raise MisuseError(f"there are no counter-examples below {options.folder.resolve()}")
    for path, entries in corpora.items():
        for entry in sorted(entries.values(), key=lambda entry: (entry.test, entry.id)):
            if options.state in (None, entry.state):
                print("\n".join(listed_lines(path, entry)))
    return DONE


def change(options: argparse.Namespace) -> int:
    """1 if one of the ids is nowhere."""
    missing = False
    for wanted in options.ids:
        found = [
            (path, entries, name)
            for path, entries in _corpora(options.below)
            for name in entries
            if name.startswith(wanted)
        ]
        if len(found) > 1:
            raise MisuseError(f"{wanted} is the beginning of {', '.join(name for *_, name in found)}: give more of it")
        if not found:
            print(f"there is no counter-example {wanted} below {options.below.resolve()}")
            missing = True
            continue
        path, entries, name = found[0]
        if options.name == "drop":
            print(f"{path}: {name} dropped")
            write_corpus(path, [entry for entry in entries.values() if entry.id != name])
        else:
            state = STATES[options.name]
            print(f"{path}: {name} {entries[name].state} → {state}")
            write_corpus(path, with_state(entries, name, state).values())
    return WRONG if missing else DONE


def _corpora(folder: Path) -> Iterator[tuple[Path, dict[str, Entry]]]:
    for path in sorted(folder.glob(f"**/{FOLDER}/*.jsonl")):
        yield path, read_corpus(path)
