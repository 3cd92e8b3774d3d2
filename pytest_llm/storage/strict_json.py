"""JSON that somebody may have changed: read as the one thing that it says, or not at all.

Beyond what `json` refuses: a name that stands twice in one object (the last would win, and a reader may see the first), NaN,
Infinity and numbers beyond float64 (`storage.numbers` writes them as strings), nesting without end, bytes that are no UTF-8.
Standard library only.
"""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any, NoReturn


class NotStrictError(ValueError):
    """What `json` or another reader would accept: it was meant so, and is no text that was cut off."""


def parsed(content: bytes | str, *, finite: bool = True) -> Any:
    """What a text of JSON says.

    Args:
        content: the text.
        finite: False: NaN and Infinity are numbers, as Python writes them.

    Raises:
        ValueError: it is no JSON, or cut off; the message says why, and where if that is known.
        NotStrictError: (a ValueError) it is JSON, but not strictly.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        if text.startswith("\ufeff"):
            raise NotStrictError("it begins with a byte order mark (BOM); it has to be UTF-8 without one")
        return (_FINITE if finite else _ANY).decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise ValueError(f"{error.msg} at {where}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"byte 0x{error.object[error.start]:02x} at offset {error.start} is not UTF-8") from None
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None
    except NotStrictError:
        raise
    except ValueError:  # the only other one: a limit of Python's, since reading takes the square of their number
        raise ValueError("a whole number has too many digits") from None


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it has more bytes than are accepted, or is a folder, or a link to a device, which has no end.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no regular file")
    if state.st_size > most_bytes:
        raise ValueError(f"it has {state.st_size:,} bytes; {most_bytes:,} are accepted")
    return path.read_bytes()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise NotStrictError(
            f"{next(name for name in names if names.count(name) > 1)!r:.60} stands twice in one object"
        )
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(word: str) -> NoReturn:
    raise NotStrictError(f"{word:.40} is no number that JSON has")


_FINITE = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse)
_ANY = json.JSONDecoder(object_pairs_hook=_object)
