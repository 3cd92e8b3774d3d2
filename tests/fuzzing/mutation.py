"""Inputs that are nearly right: what is sound, changed in a few places, as bytes and, where it is JSON, as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

LONGEST = 65_536
"""Bytes of an input."""

_RAW = {
    b'"@deep list"': b"[" * 3000 + b"]" * 3000,
    b'"@deep object"': b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b'"@less deep"': b"[" * 850 + b"]" * 850,
    b'"@many digits"': b"9" * 5000,
}
"""What `json.dumps` does not write, by what stands for it."""
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    10**400,
    0.5,
    1e308,
    -1e-320,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "0",
    "NaN",
    "../../../etc/passwd",
    "/etc/passwd",
    "\x1b[2J\r\n::error::forged\u202e",
    "\x00",
    "\ud800",
    "long " * 1500,
    [],
    {},
    [[]],
    [None],
    {"": None},
    list(range(300)),
    {f"name {number}": number for number in range(300)},
    *(name.decode().strip('"') for name in _RAW),
)
_TOKENS = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\n\n", b"\t", b" " * 200, b'"', b"'", b"\\", b",", b";", b"\x1b[31m"),
    *(b"[", b"{", b"[" * 5000, b'{"a":' * 2000, b"]", b"}", b"null", b"NaN", b"1e999", b"9" * 5000, b"-", b".", b"%", b"=", b"#"),
    *("\u212a".encode(), "\u2028".encode(), "\u0660".encode(), "\u202e".encode(), b"\xed\xa0\x80", b"\\ud800", b"__class__"),
)  # fmt: skip
_NUMBERS = (0, 1, 2, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**60, 2**63, 2**64 - 1)


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed one to six times; now and then as it is."""
    data = random.choice(seeds)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
        change = random.choice(_CHANGES)
        data = change(random, data, seeds)[:LONGEST]
    return data


def _json_value(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Another value somewhere in a JSON text, or in a line of one; as it was where it is none."""
    lines = [data] if _parsed(data) is not None else data.split(b"\n")
    place = random.randrange(len(lines))
    if (value := _parsed(lines[place])) is None:
        return data
    try:
        text = json.dumps(_changed(random, {"": value})[""]).encode()
    except RecursionError:  # of one that was made deep before
        return data
    for name, raw in _RAW.items():
        text = text.replace(name, raw)
    return b"\n".join([*lines[:place], text, *lines[place + 1 :]])


def _changed(random: Random, holder: dict[str, Any]) -> dict[str, Any]:
    spots = list(_spots(holder))
    inside, key = random.choice(spots)
    match random.randrange(5):
        case 0:
            other, there = random.choice(spots)
            inside[key] = _copied(other[there])
        case 1 if inside is not holder:
            del inside[key]
        case 2 if isinstance(inside, list):
            inside.insert(key, _copied(inside[key]))
        case 3 if isinstance(inside, dict):
            inside[random.choice(("", "\x1b[31m", *inside))] = inside[key]
        case _:
            inside[key] = random.choice(_ODD)
    return holder


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _spots(value: Any) -> Any:
    """Every place in a value, as what holds it and the key there."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _spots(value[key])


def _bit(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([b ^ 1 << random.randrange(8) for b in data[at : at + 1]]) + data[at + 1 :]


def _byte(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _number(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, width = random.randrange(len(data) + 1), random.choice((1, 2, 4, 8))
    number = random.choice(_NUMBERS) & (1 << 8 * width) - 1
    return data[:at] + number.to_bytes(width, "little") + data[at + width :]


def _token(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_TOKENS) + data[at:]


def _left_out(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    begin, end = _stretch(random, data)
    return data[:begin] + data[end:]


def _repeated(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    begin, end = _stretch(random, data)
    return data[:begin] + data[begin:end] * random.choice((2, 3, 100)) + data[end:]


def _cut_off(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _spliced(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = random.choice(seeds)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _stretch(random: Random, data: bytes) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.choice((1, 2, 4, 16, 64, 1024)))


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_json_value,) * 6,
    *(_bit, _byte, _number, _number, _token, _token, _left_out, _repeated, _cut_off, _spliced),
)
