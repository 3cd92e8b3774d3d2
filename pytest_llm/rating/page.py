"""HTML of the page: templates filled with what a session says. Every text of a model, a prompt or a rater is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_llm.rating.marking import blocks
from pytest_llm.rating.session import FIRST, SECOND, SKIP, Progress, Question, Session

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True, slots=True)
class Button:
    """An answer that can be given."""

    value: str
    label: str
    keys: str
    """Names as `KeyboardEvent.key` has them, separated by spaces."""
    shown_key: str


COMPARING = (
    Button(FIRST, "A is better", "ArrowLeft 1 a", "←"),
    Button("tie", "Tie", "t 0", "T"),
    Button(SECOND, "B is better", "ArrowRight 2 b", "→"),
)
SKIPPING = Button(SKIP, "Skip", "s", "S")


def question_page(session: Session, rater: str, question: Question, run: str) -> str:
    """The page of one question.

    Args:
        session: what it is part of.
        rater: who is asked.
        question: what is asked.
        run: the name of this start of the server, which comes back with the answer.
    """
    progress = session.progress(rater)
    return _filled(
        "question.html",
        rater=rater,
        question=question,
        progress=progress,
        compares=session.sheet.compares,
        points=session.sheet.points,
        heading=session.heading,
        outputs=list(zip(("A", "B") if session.sheet.compares else ("Answer",), question.outputs, strict=True)),
        buttons=[*_buttons(session), SKIPPING],
        run=run,
    )


def start_page(progress: Sequence[Progress], *, closed: bool, message: str = "") -> str:
    """Where a rater says who they are.

    Args:
        progress: of the raters that are known.
        closed: nobody else is expected.
        message: what was wrong with a name.
    """
    return _filled("start.html", progress=progress, closed=closed, message=message)


def done_page(progress: Progress, skipped: Sequence[int]) -> str:
    """What is shown when nothing is left; skipped questions can be looked at again."""
    return _filled("done.html", rater=progress.rater, progress=progress, skipped=skipped)


def message_page(title: str, message: str, link: str = "") -> str:
    """A request that is not answered: why, and where to go on."""
    return _filled("message.html", title=title, message=message, link=link)


def _buttons(session: Session) -> Sequence[Button]:
    if session.sheet.compares:
        return COMPARING
    scores = map(str, range(1, session.sheet.points + 1))
    return [Button(score, score, score, "") for score in scores]


def _filled(name: str, **values: object) -> str:
    return _templates().get_template(name).render(**values)


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_llm.rating"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["blocks"] = blocks
    return environment
