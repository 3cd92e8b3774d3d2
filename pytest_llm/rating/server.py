"""An address on this machine, and a server that answers there."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOOPBACK = "127.0.0.1"


def checked_host(host: str, *, exposed: bool) -> str:
    """The address to listen at.

    Raises:
        MisuseError: others can reach it and that was not asked for; or it is no single IPv4 address, so that the names of
            the page would not be known, by which requests are checked.
    """
    try:
        address = ipaddress.IPv4Address(LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise MisuseError(f"--host {host}: expected an IPv4 address of this machine, such as {LOOPBACK}") from None
    if address.is_unspecified:
        raise MisuseError(f"--host {host}: name the one address that raters will type")
    if not address.is_loopback and not exposed:
        raise MisuseError(
            f"--host {host} can be reached from other machines, unencrypted; better let raters come through "
            f"`ssh -L`, or say --expose"
        )
    return str(address)


def listen(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 is any that is free.

    Raises:
        MisuseError: the address is not this machine's, or the port is taken.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise MisuseError(f"cannot listen at {host}:{port}: {error.strerror}") from None


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answer requests until the process is interrupted; KeyboardInterrupt is passed on when all is shut down."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listening])
