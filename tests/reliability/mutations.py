"""What can become of a file: bytes that are damaged on their way, and what people, programs and attackers make of text.

`mutants(content, count, seed)` yields as many different files, none of which is the original, each kind of change in turn. Those of
text find numbers, strings and names by their looks, so that JSON, lines of it, TOML, INI and CSV are all changed in their own
parts; kinds that have nothing to change in a file are passed over.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Change: TypeAlias = Callable[[bytes, random.Random], "bytes | None"]
"""The file after it; None where there is nothing to change."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed file, and how it was changed."""

    change: str
    content: bytes


def mutants(content: bytes, count: int, seed: int = 0, *, changes: Sequence[str] = ()) -> Iterator[Mutant]:
    """Different files, all unlike the original.

    Args:
        content: of the original.
        count: how many.
        seed: of what is drawn.
        changes: names of kinds of change; none: all of `CHANGES`.
    """
    drawn, seen = random.Random(seed), {content}
    names = list(changes or CHANGES)
    for turn in range(50 * count):
        name = names[turn % len(names)]
        changed = CHANGES[name](content, drawn)
        if changed is None or changed in seen:
            continue
        seen.add(changed)
        yield Mutant(name, changed)
        if len(seen) > count:
            return
    raise AssertionError(f"only {len(seen) - 1} different files were found, of {count}")


def _place(content: bytes, drawn: random.Random) -> int:
    return drawn.randrange(len(content))


def flipped_bit(content: bytes, drawn: random.Random) -> bytes:
    changed = bytearray(content)
    changed[_place(content, drawn)] ^= 1 << drawn.randrange(8)
    return bytes(changed)


def another_byte(content: bytes, drawn: random.Random) -> bytes:
    place = _place(content, drawn)
    return content[:place] + bytes([drawn.randrange(256)]) + content[place + 1 :]


def lost_bytes(content: bytes, drawn: random.Random) -> bytes:
    place = _place(content, drawn)
    return content[:place] + content[place + drawn.randint(1, 40) :]


def repeated_bytes(content: bytes, drawn: random.Random) -> bytes:
    place, length = _place(content, drawn), drawn.randint(1, 40)
    return content[:place] + content[place : place + length] + content[place:]


def swapped_bytes(content: bytes, drawn: random.Random) -> bytes:
    first, second = sorted(drawn.sample(range(len(content) + 1), 2))
    length = drawn.randint(1, 8)
    return (
        content[:first]
        + content[second : second + length]
        + content[first + length : second]
        + content[first : first + length]
        + content[second + length :]
    )


def zeros(content: bytes, drawn: random.Random) -> bytes:
    """A block that was never written."""
    place, length = _place(content, drawn), drawn.choice([1, 16, 512, 4096])
    return content[:place] + bytes(min(length, len(content) - place)) + content[place + length :]


def cut_off(content: bytes, drawn: random.Random) -> bytes:
    """At a place where its structure ends or begins, or anywhere."""
    places = [found.start() for found in re.finditer(rb'[{}\[\],:"\n]', content)]
    return content[: drawn.choice(places) + drawn.randint(0, 1) if places else _place(content, drawn)]


def emptied(content: bytes, drawn: random.Random) -> bytes:
    return b""


def appended(content: bytes, drawn: random.Random) -> bytes:
    return content + drawn.choice([b"x", b"{}", b"\0", b"]", b"}", b"1", content, content[:20], b"<<<<<<< HEAD\n"])


def with_mark(content: bytes, drawn: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + content


def other_ends_of_lines(content: bytes, drawn: random.Random) -> bytes:
    return content.replace(b"\n", drawn.choice([b"\r\n", b"\r", b"\n\n", b" \n", b"\xe2\x80\xa8"]))


def no_utf8(content: bytes, drawn: random.Random) -> bytes:
    place = _place(content, drawn)
    return content[:place] + drawn.choice([b"\xff", b"\xc3", b"\xed\xa0\x80"]) + content[place:]


def other_line(content: bytes, drawn: random.Random) -> bytes | None:
    """A line is lost, is there twice, or changes its place."""
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    place = drawn.randrange(len(lines))
    line = lines.pop(place)
    how = drawn.choice(["lost", "twice", "moved"])
    if how == "twice":
        lines[place:place] = [line, line]
    elif how == "moved":
        lines.insert(drawn.randrange(len(lines) + 1), line)
    return b"".join(lines)


_NUMBER = re.compile(rb'(?<![\w."])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w."])')
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"')
_NAME = re.compile(rb'"((?:[^"\\\n]|\\.)*)"(?=\s*:)')
_MEMBER = re.compile(
    rb'"(?:[^"\\\n]|\\.)*"\s*:\s*(?:"(?:[^"\\\n]|\\.)*"|-?[\d.eE+-]+|true|false|null|\[[^\[\]]*\]|\{[^{}]*\})'
)


def _replaced(
    pattern: re.Pattern[bytes], replace: Callable[[bytes, random.Random], bytes]
) -> Callable[[bytes, random.Random], bytes | None]:
    """Replace one of what is found."""

    def change(content: bytes, drawn: random.Random) -> bytes | None:
        found = list(pattern.finditer(content))
        if not found:
            return None
        one = drawn.choice(found)
        return content[: one.start()] + replace(one.group(), drawn) + content[one.end() :]

    return change


def _another_digit(number: bytes, drawn: random.Random) -> bytes:
    place = drawn.choice([place for place, byte in enumerate(number) if 48 <= byte <= 57])
    return number[:place] + str((number[place] - 48 + drawn.randint(1, 9)) % 10).encode() + number[place + 1 :]


def _other_sign(number: bytes, drawn: random.Random) -> bytes:
    return number[1:] if number.startswith(b"-") else b"-" + number


def _no_number(number: bytes, drawn: random.Random) -> bytes:
    others = (b"NaN", b"nan", b"Infinity", b"-Infinity", b"1e999", b"true", b"false", b"null", b"[]", b"{}", b'""')
    return drawn.choice([*others, b'"' + number + b'"', b"9" * 400, b"9" * 5000, b"0x10", b"1_0", b"."])


def _other_text(text: bytes, drawn: random.Random) -> bytes:
    inner = text[1:-1]
    place = drawn.randrange(len(inner) + 1)
    return drawn.choice(
        [
            b'"' + inner[:place] + b"e" + inner[place + 1 :] + b'"',
            b'"'
            + inner[:place]
            + drawn.choice([b"\\ud800", b"\\u0000", b"\\n", b" ", b"\xe2\x80\xae"])
            + inner[place:]
            + b'"',
            b'""',
            b"7",
            b"null",
            b"true",
            b"[]",
            b'{"a": 1}',
        ]
    )


def _other_name(name: bytes, drawn: random.Random) -> bytes:
    place = drawn.randrange(1, len(name))
    return name[:place] + b"x" + name[place:]


def member_lost(content: bytes, drawn: random.Random) -> bytes | None:
    """With the comma before or behind it."""
    found = list(re.finditer(rb"(?:,\s*" + _MEMBER.pattern + rb")|(?:" + _MEMBER.pattern + rb"\s*,)", content))
    if not found:
        return None
    one = drawn.choice(found)
    return content[: one.start()] + content[one.end() :]


def member_twice(content: bytes, drawn: random.Random) -> bytes | None:
    """The same name with the value of another member, before it or behind it."""
    found = list(_MEMBER.finditer(content))
    if not found:
        return None
    one, other = drawn.choice(found), drawn.choice(found)
    again = one.group().partition(b":")[0] + b":" + other.group().partition(b":")[2]
    place, text = drawn.choice([(one.start(), again + b", "), (one.end(), b", " + again)])
    return content[:place] + text + content[place:]


def members_swapped(content: bytes, drawn: random.Random) -> bytes | None:
    """Two members change their values."""
    found = list(_MEMBER.finditer(content))
    if len(found) < 2:
        return None
    first, second = sorted(drawn.sample(found, 2), key=lambda one: one.start())
    values = [one.group().partition(b":")[2] for one in (first, second)]
    return (
        content[: first.end() - len(values[0])]
        + values[1]
        + content[first.end() : second.end() - len(values[1])]
        + values[0]
        + content[second.end() :]
    )


def nested(content: bytes, drawn: random.Random) -> bytes | None:
    depth = drawn.choice([50, 900, 100_000])
    opened, closed = drawn.choice([(b"[", b"]"), (b'{"a":', b"}")])
    deep = opened * depth + b"1" + closed * depth
    return _replaced(_NUMBER, lambda number, drawn: deep)(content, drawn)


CHANGES: dict[str, Change] = {
    "bit flipped": flipped_bit,
    "byte": another_byte,
    "bytes lost": lost_bytes,
    "bytes repeated": repeated_bytes,
    "bytes swapped": swapped_bytes,
    "zeros": zeros,
    "cut off": cut_off,
    "emptied": emptied,
    "appended": appended,
    "byte order mark": with_mark,
    "ends of lines": other_ends_of_lines,
    "no UTF-8": no_utf8,
    "line": other_line,
    "digit": _replaced(_NUMBER, _another_digit),
    "sign": _replaced(_NUMBER, _other_sign),
    "no number": _replaced(_NUMBER, _no_number),
    "text": _replaced(_STRING, _other_text),
    "name": _replaced(_NAME, _other_name),
    "member lost": member_lost,
    "member twice": member_twice,
    "members swapped": members_swapped,
    "nested": nested,
}
