"""What a browser sends to the rating page. An input's first line is the address's query, the rest the body."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_llm.rating.answer_file import AnswerFile
from pytest_llm.rating.app import make_app
from tests.fuzzing.parser import Parser, texts
from tests.rating.sheets import PAIRS, SCORED, session_of

_STATUS = {"GET /": (200,), "POST /rater": (303, 400), "GET /rate": (200, 404), "POST /rate": (303, 400, 409)}


def _visit(path: Path) -> object:
    """Every page, and every form, of both kinds of sheet."""
    query, _, body = path.read_bytes().partition(b"\n")
    for sheet in (PAIRS, SCORED):
        answers = path.with_name("answers.jsonl")
        answers.unlink(missing_ok=True)
        with AnswerFile(answers) as file:
            app = make_app(session_of(file, sheet), "token", 80, ["localhost"])
            for route in app.routes:
                if isinstance(route, Route):
                    _call(route, query, body)
            given = list(file.answers)
        with AnswerFile(answers) as file:
            assert list(file.answers) == given, "an answer is read as another"
    return None


def _call(route: Route, query: bytes, body: bytes) -> None:
    method = "POST" if "POST" in (route.methods or ()) else "GET"
    scope = {"type": "http", "method": method, "path": route.path, "query_string": query, "headers": []}
    endpoint: Any = route.endpoint
    endpoint.__self__._run = "1"  # a form is taken from a page of this run only

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    response: Response = _result(endpoint(Request(scope, receive)))
    assert response.status_code in _STATUS[f"{method} {route.path}"], response.status_code
    if "location" in response.headers:
        _refuse_elsewhere(response.headers["location"])
    assert b"<script>" not in bytes(response.body).lower().replace(b'<script src="/static/', b"")


def _refuse_elsewhere(address: str) -> None:
    parts = urlsplit(address)
    assert not parts.scheme, address
    assert not parts.netloc, address
    assert parts.path == "/rate", address
    assert {name for name, _ in parse_qsl(parts.query)} <= {"rater", "n"}, address


def _result(coroutine: Coroutine[Any, Any, Response]) -> Response:
    """Of one that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        response: Response = done.value
        return response
    raise AssertionError("it waits")


PARSERS: dict[str, Parser] = {
    "rating_page": Parser(
        _visit,
        texts(
            "rater=Ann&n=1\nrun=1&choice=first&note=a+note%0D%0Aof+two+lines",
            "rater=Ann&n=2\nrun=1&choice=3&note=",
            "rater=Ann\nrater=Ann",
            "rater=%3Cscript%3E&n=6\nrun=1&choice=skip&note=%F0%9F%98%80&rater=B%C3%B6b",
        ),
        allowed=(),
        names_file=False,
    )
}
