"""`pytest-llm rate`: a local page on which people rate outputs, or compare those of two models without knowing which is which."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.command.main import DONE
from pytest_llm.errors import MisuseError
from pytest_llm.rating.sheet import VARIANTS, Columns, Sheet, read_sheet

if TYPE_CHECKING:
    from pytest_llm.rating.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_sheet_arguments(parser)
    parser.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="where answers are kept; if it is there, they go on"
    )
    parser.add_argument(
        "--question", metavar="TEXT", help="what is asked of each item; default: which, or how good, it is"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order of items and of the sides (0)")
    parser.add_argument(
        "--raters", metavar="A,B,…", type=_names, default=(), help="who takes part; default: whoever comes"
    )
    parser.add_argument(
        "--overlap",
        metavar="N",
        type=int,
        help="so many items go to every one of --raters, each other item to one; default: all to all",
    )
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine reaches")
    parser.add_argument("--expose", action="store_true", help="allow a --host that other machines reach, unencrypted")


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
    """What there is to rate, for `rate` and `ratings` alike."""
    parser.add_argument(
        "outputs", metavar="OUTPUTS", type=Path, help="a .jsonl with an id, a prompt and an output a line"
    )
    parser.add_argument(
        "--against", metavar="OTHER", type=Path, help="another, of the same ids: which of two is better"
    )
    parser.add_argument("--name", help="what OUTPUTS is called in the answers; default: its name without .jsonl")
    parser.add_argument("--against-name", metavar="NAME", help="likewise OTHER")
    parser.add_argument("--points", type=int, default=5, help="without --against: ratings go from 1 to this (5)")
    for column, names in VARIANTS.items():
        parser.add_argument(
            f"--{column}", metavar="COLUMN", help=f"that holds the {column}; default: the first of {', '.join(names)}"
        )


def sheet_of(options: argparse.Namespace) -> Sheet:
    return read_sheet(
        options.outputs,
        options.against,
        names=(options.name, options.against_name),
        columns=Columns(options.id, options.prompt, options.output),
        points=options.points,
    )


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted; always 0."""
    import ipaddress
    import secrets

    _require_the_extra()
    from pytest_llm.rating.answer_file import AnswerFile
    from pytest_llm.rating.app import make_app
    from pytest_llm.rating.order import Order
    from pytest_llm.rating.server import LOOPBACK, checked_host, listen, serve
    from pytest_llm.rating.session import Session

    host = checked_host(options.host, exposed=options.expose)
    sheet = sheet_of(options)
    order = Order(tuple(item.id for item in sheet.items), options.seed, options.raters, options.overlap)
    with AnswerFile(options.out) as file:
        if file.repair:
            print(f"warning: {file.repair}", file=sys.stderr)
        session = Session(sheet, order, file, _now, options.question)
        token = secrets.token_urlsafe()
        with listen(host, options.port) as listening:
            port = listening.getsockname()[1]
            if not ipaddress.ip_address(host).is_loopback:
                print("warning: other machines can reach this page, and what is sent is not encrypted", file=sys.stderr)
            print("\n".join(_opening_lines(session, f"http://{host}:{port}/?token={token}", options.out)), flush=True)
            hosts = (host, "localhost") if host == LOOPBACK else (host,)
            with suppress(KeyboardInterrupt):
                serve(make_app(session, token, port, hosts), listening)
        print("\n".join(_closing_lines(session, options.out)))
    return DONE


def _opening_lines(session: Session, address: str, out: Path) -> list[str]:
    items = session.sheet.items
    same = sum(session.sheet.compares and len(set(item.outputs)) == 1 for item in items)
    what = "pairs of outputs" if session.sheet.compares else "outputs"
    return [
        f"{len(items)} {what}" + f", {same} of them alike" * bool(same) + f"; answers go to {out}",
        f"  open  {address}",
        "  stop  Ctrl+C; the same command goes on where it was",
    ]


def _closing_lines(session: Session, out: Path) -> list[str]:
    lines = [
        f"{one.rater}: {one.answered} of {one.total} answered, {one.skipped} skipped"
        for one in map(session.progress, session.raters)
    ]
    if session.sheet.compares:
        one, other = session.sheet.candidates
        return [*lines, f"  to use  assert_preference_above({str(out)!r}, {one!r}, against={other!r}, confidence=0.95)"]
    return [*lines, f"  to use  assert_rating_above({str(out)!r}, 3.5, lowest=1, highest={session.sheet.points})"]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _names(given: str) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in given.split(","))
    if not all(names) or len({name.casefold() for name in names}) < len(names):
        raise argparse.ArgumentTypeError(f"{given!r}: expected different names with commas between them")
    return names


def _require_the_extra() -> None:
    try:
        import filelock  # noqa: F401
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MisuseError(
            f"the page needs {error.name}, which is not installed: pip install 'pytest-llm-regression[rate]'"
        ) from None
