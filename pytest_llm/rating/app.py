"""The routes of the rating page. Plain forms: an answer is a POST that leads on to the next question."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pytest_llm.errors import MisuseError
from pytest_llm.rating.guard import HEADERS, cookie_name, is_from_elsewhere, is_known
from pytest_llm.rating.page import done_page, message_page, question_page, start_page
from pytest_llm.rating.session import Session

LONGEST_BODY = 1 << 17
"""Bytes of a request: a note of the greatest length, percent-encoded."""
_Next: TypeAlias = Callable[[Request], Awaitable[Response]]


def make_app(session: Session, token: str, port: int, hosts: Sequence[str]) -> Starlette:
    """The application.

    Everything runs on the event loop, writing to the disk too: answers are kept one after the other, and none waits longer
    than a disk takes for a line.

    Args:
        session: what is asked.
        token: who brings it (`/?token=…`) gets a cookie, and with it the pages.
        port: where it will listen, for the name of the cookie.
        hosts: the names that it goes by, without the port.
    """
    routes = _Routes(session)
    cookie = cookie_name(port)

    async def guard(request: Request, call_next: _Next) -> Response:
        if is_known(request.query_params.get("token"), token):
            response: Response = RedirectResponse("/", 303)
            response.set_cookie(cookie, token, httponly=True, samesite="strict", path="/")
        elif not is_known(request.cookies.get(cookie), token):
            response = _refused(
                403, "Not this address", "Open the address that pytest-llm rate printed when it was started"
            )
        elif is_from_elsewhere(request.method, request.headers):
            response = _refused(403, "Not from there", "Answers are taken from this page only")
        else:
            response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    return Starlette(
        routes=[
            Route("/", routes.start),
            Route("/rater", routes.choose_rater, methods=["POST"]),
            Route("/rate", routes.ask),
            Route("/rate", routes.answer, methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(BaseHTTPMiddleware, dispatch=guard),
        ],
    )


class _Routes:
    """What each address does."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run = secrets.token_urlsafe(8)
        """A page of before a restart may show other texts at a position: its answer is not taken."""

    async def start(self, request: Request) -> Response:
        return self._start_page()

    async def choose_rater(self, request: Request) -> Response:
        try:
            rater = self._session.rater((await _form(request)).get("rater", ""))
        except MisuseError as error:
            return self._start_page(str(error))
        return RedirectResponse(_address(rater, self._session.next_open(rater)), 303)

    async def ask(self, request: Request) -> Response:
        try:
            rater, position = self._who_and_where(request)
            if position is None:
                return HTMLResponse(done_page(self._session.progress(rater), self._session.skipped(rater)))
            return HTMLResponse(question_page(self._session, rater, self._session.question(rater, position), self._run))
        except (MisuseError, IndexError, ValueError):
            return _refused(404, "No such question", "There is none at this address", "/")

    async def answer(self, request: Request) -> Response:
        try:
            form = await _form(request)
            rater, position = self._who_and_where(request)
            if position is None:
                raise MisuseError("an answer needs a question")
            if form.get("run") != self._run:
                why = "This page is from before the server was started again: open the question anew, nothing of it was saved"
                return _refused(409, "Not saved", why, _address(rater, position))
            self._session.record(rater, position, form.get("choice", ""), form.get("note", ""))
        except (MisuseError, IndexError, ValueError) as error:
            return _refused(400, "Not saved", str(error))
        except OSError as error:
            return _refused(500, "Not saved", f"The file of answers cannot be written: {error}")
        return RedirectResponse(_address(rater, self._session.next_open(rater, position)), 303)

    def _start_page(self, message: str = "") -> Response:
        progress = [self._session.progress(rater) for rater in self._session.raters]
        page = start_page(progress, closed=bool(self._session.order.raters), message=message)
        return HTMLResponse(page, 400 if message else 200)

    def _who_and_where(self, request: Request) -> tuple[str, int | None]:
        asked = request.query_params
        rater = self._session.rater(asked.get("rater", ""))
        return rater, int(asked["n"]) if "n" in asked else None


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form, each once."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise MisuseError(f"an answer has at most {LONGEST_BODY:,} bytes")
    return {
        name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()
    }


def _address(rater: str, position: int | None) -> str:
    """Of a question; of the end if there is none left."""
    return "/rate?" + urlencode({"rater": rater} | ({} if position is None else {"n": position}))


def _refused(status: int, title: str, why: str, link: str = "") -> Response:
    response = HTMLResponse(message_page(title, f"{why.rstrip('.')}.", link), status)
    response.headers["X-Reason"] = why.encode("ascii", "replace").decode().replace("\n", " ")
    return response
