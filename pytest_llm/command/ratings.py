"""`pytest-llm ratings`: what `rate` shows and keeps, as tasks of Label Studio, and back."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pytest_llm.command.main import DONE
from pytest_llm.command.rate import add_sheet_arguments, sheet_of
from pytest_llm.errors import MisuseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    writing = actions.add_parser(
        "export", help="write tasks of Label Studio, and the labelling configuration beside them"
    )
    add_sheet_arguments(writing)
    writing.add_argument("--label-studio", metavar="TASKS", type=Path, required=True, help="the .json to write")
    writing.add_argument("--ratings", metavar="FILE", type=Path, help="answers of `rate`, to go along as annotations")
    writing.add_argument("--question", metavar="TEXT", help="as of `rate`")
    writing.add_argument("--seed", type=int, default=0, help="of the order of tasks and of the sides (0)")
    writing.set_defaults(action=export_tasks)

    reading = actions.add_parser("import", help="write answers from what Label Studio exported as JSON")
    add_sheet_arguments(reading)
    reading.add_argument("--label-studio", metavar="EXPORT", type=Path, required=True, help="the .json to read")
    reading.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="the .jsonl to write; it must not be there yet"
    )
    reading.add_argument(
        "--rater", metavar="ID=NAME", action="append", default=[], help="who an annotator is; as often as needed"
    )
    reading.set_defaults(action=import_answers)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options)
    return code


def export_tasks(options: argparse.Namespace) -> int:
    """Always 0."""
    from pytest_llm.data.whole_file import write_whole
    from pytest_llm.rating.answer_file import AnswerFile
    from pytest_llm.rating.label_studio import configuration, tasks_of
    from pytest_llm.rating.session import refuse_foreign

    if options.label_studio.suffix != ".json":
        raise MisuseError(f"--label-studio {options.label_studio}: tasks are a .json file, with an .xml beside it")
    sheet, answers = sheet_of(options), []
    if options.ratings is not None:
        if not options.ratings.is_file():
            raise MisuseError(f"there is no {options.ratings}")
        with AnswerFile(options.ratings) as file:
            refuse_foreign(sheet, file)
            answers = list(file.answers)
    tasks = tasks_of(sheet, answers, seed=options.seed)
    layout = options.label_studio.with_suffix(".xml")
    write_whole(options.label_studio, json.dumps(tasks, indent=1).encode())
    write_whole(layout, configuration(sheet, options.question or sheet.question).encode())
    print(f"{options.label_studio}: {len(tasks)} tasks, {sum(len(task['annotations']) for task in tasks)} annotations")
    print(f"{layout}: the labelling configuration of their project")
    strangers = sorted({answer.rater for answer in answers if "@" not in answer.rater})
    if strangers:
        print(
            f"warning: Label Studio takes annotations of its members only, known by their e-mail addresses, which these are not: "
            f"{', '.join(strangers)}",
            file=sys.stderr,
        )
    return DONE


def import_answers(options: argparse.Namespace) -> int:
    """Always 0."""
    from pytest_llm.data.whole_file import write_whole
    from pytest_llm.rating.answer_file import as_line
    from pytest_llm.rating.label_studio import read_export

    if options.out.suffix != ".jsonl" or options.out.exists():
        raise MisuseError(f"--out {options.out}: expected a .jsonl that is not there yet")
    pairs = [given.partition("=") for given in options.rater]
    if not all(number and equals and name for number, equals, name in pairs):
        raise MisuseError(f"--rater {' '.join(options.rater)}: expected ID=NAME")
    answers = read_export(options.label_studio, sheet_of(options), {number: name for number, _, name in pairs})
    if not answers:
        raise MisuseError(f"{options.label_studio} holds no annotation: nobody has said anything yet")
    write_whole(options.out, b"".join(map(as_line, answers)))
    skipped, raters = sum(answer.value is None for answer in answers), {answer.rater for answer in answers}
    print(f"{options.out}: {len(answers)} answers of {len(raters)} raters, {skipped} of them skipped")
    return DONE
