"""Questions over HTTP: many at once, each with an end, repeated where that helps.

An event loop in a thread of its own does the waiting, so that a caller may have one too (a notebook, an asynchronous test). What
bounds a question: seconds to connect, seconds without a byte, seconds in all, tries included, and bytes of a reply. Redirects
are not followed, since the key would go with them; compressed replies are not unpacked, since nobody asked for them.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import finalize

from pytest_llm.errors import MisuseError
from pytest_llm.models.endpoint.key import Key
from pytest_llm.models.endpoint.reading import WrongReply, parsed
from pytest_llm.models.endpoint.retrying import LONGEST_WAIT, Failure, backoff, is_worth_it, wait_of
from pytest_llm.models.endpoint.too_long import read_refusal

if TYPE_CHECKING:
    import httpx2
    from anyio.from_thread import BlockingPortal

Answer: TypeAlias = "Any | Failure"

THREAD = "pytest-llm-endpoint"
SILENCE = 300.0
MOST_BYTES, MOST_OF_AN_EVENT = 64 * 2**20, 2**20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, how often and how much."""

    seconds: float = 600.0
    """For a question, with all its tries."""
    connect: float = 10.0
    silence: float = SILENCE
    """Seconds without a byte: a server that writes a long answer says nothing until it is done."""
    retries: int = 5
    most_bytes: int = MOST_BYTES
    """Of a reply."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Args:
        path: behind the address.
        body: what is sent, as JSON; None: nothing (GET).
        text: what is asked about, as the caller gave it.
        is_beside: whether the path stands beside the API, as vLLM's `/tokenize` beside `/v1`.
    """

    path: str
    body: Any = None
    text: str = ""
    is_beside: bool = False

    def url(self, base: str) -> str:
        """Where it is sent, on a server with the API at `base`."""
        return (base.removesuffix("/v1") if self.is_beside else base) + self.path


async def pause(seconds: float) -> None:
    """Wait. Tests put their own in its place."""
    import anyio

    await anyio.sleep(seconds)


@dataclass(eq=False)
class Client:
    """Asks one server. Opens nothing before it is asked."""

    base: str
    key: Callable[[], Key]
    concurrency: int = 8
    patience: Patience = field(default_factory=Patience)
    proxied: bool = False
    """Whether the environment's proxies are used."""
    random: Random = field(default_factory=Random)
    retrying: Callable[[], None] = lambda: None
    """Called each time before a question is asked again, in the loop's thread."""
    _opened: tuple[BlockingPortal, httpx2.AsyncClient] | None = field(default=None, init=False)

    def ask(self, questions: Sequence[Question], heard: Callable[[int, Any], None] | None = None) -> list[Answer]:
        """The answers, in the order of the questions: JSON, or the failure that ended the tries.

        After a failure no further question is sent: those that were not are failures too.

        Args:
            questions: any number.
            heard: called with each answer as soon as it is there, in the loop's thread.
        """
        self.key()  # what is wrong with it is said here, not by a task
        portal, http = self._open()
        future: Future[list[Answer]] = portal.start_task_soon(self._ask_all, http, list(questions), heard)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C, or a time limit of pytest's: nothing more is asked
            raise

    def stream(self, question: Question) -> Iterator[str | Failure]:
        """The data of each server-sent event of the answer; the last one may be a failure. It is asked once, never again."""
        self.key()
        portal, http = self._open()
        heard: SimpleQueue[str | Failure | None] = SimpleQueue()
        future = portal.start_task_soon(self._pump, http, question, heard.put)
        try:
            while (event := heard.get()) is not None:
                yield event
        finally:
            future.cancel()

    async def _pump(
        self, http: httpx2.AsyncClient, question: Question, put: Callable[[str | Failure | None], None]
    ) -> None:
        import anyio

        try:
            with anyio.fail_after(self.patience.seconds):
                await self._events(http, question, put)
        except Failure as failure:
            put(failure)
        except TimeoutError:
            put(Failure(f"no end within {self.patience.seconds:g} s"))
        except Exception as error:  # whatever it is: who waits must not wait for ever
            put(Failure(f"asking it failed ({type(error).__name__})"))
        finally:
            put(None)

    async def _events(
        self, http: httpx2.AsyncClient, question: Question, put: Callable[[str | Failure | None], None]
    ) -> None:
        key = self.key()
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", **key.header}
        with failures_of_http(key):
            url = question.url(self.base)
            async with http.stream("POST", url, json=question.body, headers=headers) as response:
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if response.status_code != 200 or kind != "text/event-stream":
                    body = await self._body(response)
                    refuse_status(response, body, key)
                    raise Failure(
                        f"it answers with {key.cleaned(kind) or 'no content type'}, not a stream: {said(body, key)}"
                    )
                lines = Lines()
                async for part in self._parts(response):
                    for event in lines.events(part):
                        if key.is_in(event):
                            raise Failure("its answer repeats the key, so it is not looked at")
                        put(event)

    def _open(self) -> tuple[BlockingPortal, httpx2.AsyncClient]:
        """The way into the loop's thread, and the connections there; both end with this object."""
        if self._opened is None:
            try:
                import httpx2
                from anyio.from_thread import start_blocking_portal
            except ImportError:
                raise MisuseError(
                    "asking a server needs an HTTP client: pip install 'pytest-llm-regression[served]'"
                ) from None
            http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(
                    self.patience.silence, connect=self.patience.connect, pool=self.patience.seconds
                ),
                limits=httpx2.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency),
                follow_redirects=False,
                trust_env=self.proxied,
                verify=_certificates(self.base),
            )
            _keep_headers_out_of_logs()
            stack = ExitStack()
            portal = stack.enter_context(start_blocking_portal(name=THREAD))
            stack.enter_context(portal.wrap_async_context_manager(http))
            finalize(self, stack.close)
            self._opened = portal, http
        return self._opened

    async def _ask_all(
        self, http: httpx2.AsyncClient, questions: list[Question], heard: Callable[[int, Any], None] | None
    ) -> list[Answer]:
        import anyio

        answers: list[Answer] = [Failure("it was not asked", was_asked=False)] * len(questions)
        places = iter(range(len(questions)))
        failed = False

        async def work() -> None:
            nonlocal failed
            for place in places:
                if failed:
                    return
                answers[place] = answer = await self._answered(http, questions[place])
                if isinstance(answer, Failure):
                    failed = True
                elif heard is not None:
                    heard(place, answer)

        async with anyio.create_task_group() as group:
            for _ in range(min(self.concurrency, len(questions))):
                group.start_soon(work)
        return answers

    async def _answered(self, http: httpx2.AsyncClient, question: Question) -> Answer:
        """The answer, after as many tries as it takes. Nothing is raised: frames of a library hold what was sent."""
        import anyio

        failure = Failure("it was not asked")
        try:
            with anyio.fail_after(self.patience.seconds):
                for tried in range(1, self.patience.retries + 2):
                    try:
                        return await self._once(http, question)
                    except Failure as error:
                        failure = error
                    if not failure.again or tried > self.patience.retries:
                        break
                    if (failure.wait or 0.0) > LONGEST_WAIT:
                        return Failure(f"{failure.reason}; it asks to wait {failure.wait:.0f} s", status=failure.status)
                    self.retrying()
                    await pause((failure.wait or 0.0) + backoff(tried, self.random))
        except MisuseError as error:
            return Failure(str(error))
        except TimeoutError:
            last = f" (before that: {failure.reason})" if failure.again else ""
            return Failure(f"no answer within {self.patience.seconds:g} s{last}")
        except Exception as error:  # a fault of ours or of a library: its frames hold the key, so they end here
            return Failure(f"asking it failed ({type(error).__name__})")
        reason = f"{failure.reason}, after {tried} tries" if failure.again else failure.reason
        # anew, without the frames, which hold the key
        return Failure(reason, status=failure.status, too_long=failure.too_long)

    async def _once(self, http: httpx2.AsyncClient, question: Question) -> Any:
        """One try.

        Raises:
            Failure: whatever went wrong.
        """
        key = self.key()
        with failures_of_http(key):
            method = "GET" if question.body is None else "POST"
            headers = {"Accept": "application/json", "Accept-Encoding": "identity", **key.header}
            url = question.url(self.base)
            async with http.stream(method, url, json=question.body, headers=headers) as response:
                body = await self._body(response)
        refuse_status(response, body, key)
        if key.is_in(body):
            raise Failure("its answer repeats the key, so it is not looked at")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Failure(f"it answers with {key.cleaned(kind) or 'no content type'}, not JSON: {said(body, key)}")
        try:
            return parsed(body)
        except ValueError:
            raise Failure(f"its answer is no JSON, or cut off: {said(body[-80:], key)}", again=True) from None
        except WrongReply as wrong:
            raise Failure(key.cleaned(str(wrong))) from None

    async def _body(self, response: httpx2.Response) -> bytes:
        """The bytes of a reply, as they are sent."""
        return b"".join([part async for part in self._parts(response)])

    async def _parts(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Failure("its answer is compressed, which nobody asked for")
        size = 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > self.patience.most_bytes:
                raise Failure(f"its answer has more than {self.patience.most_bytes:,} bytes")
            yield part


class Lines:
    """Server-sent events, from bytes in any pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def events(self, part: bytes) -> Iterator[str]:
        """The data of each event that is complete with this part."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > MOST_OF_AN_EVENT:
            raise Failure(f"an event of the stream has more than {MOST_OF_AN_EVENT:,} bytes")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            if field == b"data":
                try:
                    self._data.append(value.removeprefix(b" ").decode())
                except UnicodeDecodeError:
                    raise Failure("an event of the stream is no UTF-8") from None
            elif not field and not value and self._data:
                data, self._data = "\n".join(self._data), []
                yield data


def refuse_status(response: httpx2.Response, body: bytes, key: Key) -> None:
    """Raise Failure for anything but success."""
    status = response.status_code
    if status == 200:
        return
    if 300 <= status < 400:
        raise Failure(
            f"it redirects (HTTP {status}), which is not followed: give the address that it means", status=status
        )
    again = is_worth_it(status)
    wait = wait_of(response.headers) if again else None
    told, words = _error(body, key)
    too_long = None if key.is_in(body) else read_refusal(status, told, words)
    raise Failure(f"HTTP {status}: {words}", again=again, wait=wait, status=status, too_long=too_long)


def said(body: bytes, key: Key) -> str:
    """The words of an error: the message that the API's errors have, else how the body begins."""
    return _error(body, key)[1]


def _error(body: bytes, key: Key) -> tuple[Any, str]:
    """An error as JSON, None where it is none, and its words."""
    words: Any = body[:2000].decode("utf-8", "replace")
    try:
        told = parsed(body)
    except (ValueError, WrongReply):
        told = None
    if isinstance(told, dict):
        inner = told.get("error", told)
        found = inner.get("message", inner.get("detail")) if isinstance(inner, dict) else inner
        words = words if found is None else found
    return told, key.cleaned(words if isinstance(words, str) else str(words)) or "nothing"


@contextmanager
def failures_of_http(key: Key) -> Iterator[None]:
    """What the HTTP library raises, as a `Failure`."""
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise Failure(f"no answer: {type(error).__name__}", again=True) from None
    except httpx2.TransportError as error:
        reason = key.cleaned(str(error)) or type(error).__name__
        again = not isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
        raise Failure(f"the connection failed ({type(error).__name__}: {reason})", again=again) from None


def _certificates(base: str) -> ssl.SSLContext | bool:
    """Whom to trust: those whom the library trusts, or where nothing is encrypted nobody, since to load them takes 0.1 s."""
    return True if base.startswith("https://") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _NotOurs(logging.Filter):
    """The library's log has headers in it, those of the server too."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD


_not_ours = _NotOurs()


def _keep_headers_out_of_logs() -> None:
    for part in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"httpcore2.{part}").addFilter(_not_ours)
