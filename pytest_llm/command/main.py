"""The command `pytest-llm`: a table of subcommands, each in a module of its own that is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from pytest_llm.errors import MisuseError

EXIT_CODES = """\
exit codes:
  0    done, and nothing is wrong
  1    something is wrong with what was looked at, or was left undone because nobody confirmed it
  2    the command was called wrongly, or what it was given cannot be read"""
DONE = 0
WRONG = 1
MISUSED = 2


class Command(Protocol):
    """What the module of a subcommand has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and return the exit code.

        Raises:
            MisuseError: asked for what cannot be done; the command says so and ends with 2.
        """


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a subcommand lives, and what it is for."""

    module: str
    help: str

    def load(self) -> Command:
        command: Command = import_module(self.module)
        return command


COMMANDS = {
    "baseline": Entry("pytest_llm.command.baseline", "show, compare, check, remove and import stored baselines"),
    "corpus": Entry("pytest_llm.command.corpus", "list stored counter-examples, and say which are fixed or accepted"),
    "rate": Entry(
        "pytest_llm.command.rate", "serve a page on which people rate outputs, or compare those of two models"
    ),
    "ratings": Entry(
        "pytest_llm.command.ratings", "export what is to be rated to Label Studio, import what was said there"
    ),
    "history": Entry("pytest_llm.command.history", "say how gates went from run to run, and what gets worse slowly"),
    "report": Entry("pytest_llm.command.report", "make a page (HTML) of a run that was recorded"),
    "cache": Entry("pytest_llm.command.cache", "say what is kept of models' answers, check it, remove it"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, those of the process by default, and return its exit code."""
    options = _parser().parse_args(arguments)
    name = f"pytest-llm {options.command}"
    try:
        command = COMMANDS[options.command].load()
        parser = argparse.ArgumentParser(name)
        command.add_arguments(parser)
        return command.run(parser.parse_args(options.arguments))
    except MisuseError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return MISUSED


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<12} {entry.help}" for name, entry in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "pytest-llm",
        description="What is done with the stored results of pytest-llm-regression outside a test run.",
        epilog=f"commands:\n{listed}\n\n`pytest-llm COMMAND --help` describes each.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    return parser
