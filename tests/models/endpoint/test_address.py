"""What an address says."""

from __future__ import annotations

import pytest

from pytest_llm import MisuseError
from pytest_llm.models.endpoint.address import Address, is_address, read_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host:1/v1", Address("http://host:1/v1")),
        ("HTTP://Host:1/v1/#name", Address("http://host:1/v1", "name")),
        ("https://host/v1#org/name", Address("https://host/v1", "org/name")),
        ("http://host#name@r2", Address("http://host", "name", "r2")),
        ("http://host#name%40x@r2", Address("http://host", "name@x", "r2")),
        (
            "http://host#name&prefix=%3Cs%3E&mode=chat",
            Address("http://host", "name", None, {"prefix": "<s>", "mode": "chat"}),
        ),
        ("http://host#&prefix=a", Address("http://host", None, None, {"prefix": "a"})),
    ],
)
def test_an_address_is_read(url: str, expected: Address) -> None:
    assert is_address(url)
    assert read_address(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", "no address of a server"),
        ("http://host:port/v1", "no address of a server"),
        ("http://host:99999/v1", "no address of a server"),
        ("http://host/v1?x=1", "has a query"),
        ("http://u@host/v1", "has a user or a password"),
        ("http://host/v1#@r", "expected #name@revision"),
        ("http://host/v1#n&top=1", "has the setting 'top' behind its '#': expected one of prefix, key_from, mode"),
    ],
)
def test_what_is_none_is_refused(url: str, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_address(url)


@pytest.mark.parametrize("name", ["tiny-decoder", "org/name", "./folder", "http", "ftp://x"])
def test_other_names_of_models_are_no_addresses(name: str) -> None:
    assert not is_address(name)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.test", False),
    ],
)
def test_this_machine_is_known(host: str, expected: bool) -> None:
    assert read_address(f"http://{host}:80/v1").is_loopback is expected
