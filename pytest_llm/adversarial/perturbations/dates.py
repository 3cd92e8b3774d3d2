"""Dates written otherwise, English and Chinese. Digits alone (3/5/2024) stay: which of them is the month, nobody knows."""

from __future__ import annotations

import re
from datetime import date

from pytest_llm.adversarial.document import Document, has_han
from pytest_llm.adversarial.operation import Proposals

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_NAMED = "|".join(_MONTHS)
_FORMS = tuple(
    map(
        re.compile,
        (
            r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?![\w-])",
            rf"(?P<day>[0-9]{{1,2}}) (?P<month>{_NAMED}) (?P<year>[0-9]{{4}})(?!\w)",
            rf"(?P<month>{_NAMED}) (?P<day>[0-9]{{1,2}}), (?P<year>[0-9]{{4}})(?!\w)",
            r"(?P<year>[0-9]{4})年(?P<month>[0-9]{1,2})月(?P<day>[0-9]{1,2})日",
        ),
    )
)


def rewritten_dates(document: Document, site: int) -> Proposals:
    """A date in the other writings of its language: 2024-03-05, 5 March 2024, March 5, 2024; 2024年3月5日."""
    start = document.words[site][0]
    for form in _FORMS:
        found = form.match(document.text, start)
        day = None if found is None else _date(found)
        if found is not None and day is not None:
            yield from ((start, found.end(), written) for written in _writings(day, has_han(document.text)))


def _date(found: re.Match[str]) -> date | None:
    month = found["month"]
    number = int(month) if month.isdigit() else 1 + _MONTHS.index(month)
    try:
        return date(int(found["year"]), number, int(found["day"]))
    except ValueError:  # there is no such day
        return None


def _writings(day: date, chinese: bool) -> tuple[str, ...]:
    if chinese:
        return f"{day.year:04}年{day.month}月{day.day}日", day.isoformat()
    month = _MONTHS[day.month - 1]
    return f"{day.day} {month} {day.year:04}", f"{month} {day.day}, {day.year:04}", day.isoformat()
