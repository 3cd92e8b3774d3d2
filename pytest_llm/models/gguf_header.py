"""What a GGUF file announces, held against its size before anything is read or allocated because of it.

    magic "GGUF", version, tensor count, key count
    keys:     name, type, value            a value is a scalar, a text (length, bytes), or an array (type, length, elements)
    tensors:  name, dimensions, type, offset
    padding to the alignment, then the tensors' bytes

The `gguf` package believes each number: an array of 2⁶⁰ elements is a loop without end, a text longer than the file is cut short
without a word. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from pytest_llm.errors import MisuseError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by the number of its type."""
_TEXT, _ARRAY, _UINT32 = 8, 9, 4
_SMALLEST_KEY = 8 + 4 + 1
_SMALLEST_TENSOR = 8 + 4 + 4 + 8
_MOST_DIMENSIONS = 4
_DEEPEST = 4
"""Arrays of arrays of …; nobody writes even two."""


class _Damaged(Exception):
    """What is wrong, in words."""


def check_gguf(path: Path) -> None:
    """Read the header, and refuse what the file is too small for.

    Raises:
        MisuseError: it is no GGUF file, of a version that is not known, cut off, or announces more than it can hold.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _Header(content, len(content)).check()
    except (_Damaged, ValueError) as error:  # an empty file cannot be mapped
        raise MisuseError(f"{path.name} is no sound GGUF file: {error}") from None


@dataclass
class _Header:
    content: mmap.mmap
    size: int
    at: int = 0
    """Where the next byte is read."""
    alignment: int = 32

    def check(self) -> None:
        if self.content[:4] != _MAGIC:
            raise _Damaged(f"it begins with {self.content[:4]!r}, not with {_MAGIC!r}")
        self.at = 4
        if (version := self._uint32()) not in _VERSIONS:
            raise _Damaged(f"it says version {version}; known are {' and '.join(map(str, _VERSIONS))}")
        tensors, keys = self._uint64(), self._uint64()
        self._must_fit(keys, _SMALLEST_KEY, "keys")
        self._must_fit(tensors, _SMALLEST_TENSOR, "tensors")
        for _ in range(keys):
            self._key()
        described = [self._tensor() for _ in range(tensors)]
        begin = math.ceil(self.at / self.alignment) * self.alignment
        for name, end in described:
            if begin + end > self.size:
                raise _Damaged(f"tensor {name!r} ends at byte {begin + end} of {self.size}: the file is cut off")

    def _key(self) -> None:
        name, kind = self._text(), self._uint32()
        begin = self.at
        self._value(kind, name, 0)
        if name == "general.alignment" and kind == _UINT32:
            (self.alignment,) = struct.unpack_from("<I", self.content, begin)
            if self.alignment == 0 or self.alignment & (self.alignment - 1):
                raise _Damaged(f"an alignment of {self.alignment} is no power of two")

    def _value(self, kind: int, name: str, depth: int) -> None:
        if (width := _SCALARS.get(kind)) is not None:
            self._skip(width)
        elif kind == _TEXT:
            self._skip(self._uint64())
        elif kind == _ARRAY and depth < _DEEPEST:
            of, length = self._uint32(), self._uint64()
            self._must_fit(length, _SCALARS.get(of, 8), f"elements of {name!r}")
            if of in _SCALARS:
                self._skip(length * _SCALARS[of])
            elif of == _TEXT:
                self._skip_texts(length)
            else:
                for _ in range(length):
                    self._value(of, name, depth + 1)
        else:
            raise _Damaged(f"key {name!r} has a value of type {kind}, at depth {depth}")

    def _skip_texts(self, count: int) -> None:
        """A vocabulary: a hundred thousand of them are usual, so this loop calls nothing."""
        content, size, at, lengths = self.content, self.size, self.at, struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at + 8 > size:
                raise _Damaged(f"a text is announced at byte {at}, and there are {size}")
            at += 8 + lengths(content, at)[0]
        self._skip(at - self.at)

    def _tensor(self) -> tuple[str, int]:
        """Its name, and where its bytes end, from where those of all begin."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name, dimensions = self._text(), self._uint32()
        if dimensions > _MOST_DIMENSIONS:
            raise _Damaged(f"tensor {name!r} has {dimensions} dimensions; {_MOST_DIMENSIONS} are possible")
        elements = math.prod(self._uint64() for _ in range(dimensions))
        kind, offset = self._uint32(), self._uint64()
        if kind not in {one.value for one in GGMLQuantizationType}:
            raise _Damaged(f"tensor {name!r} has numbers of type {kind}, which is not known")
        block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        return name, offset + math.ceil(elements / block) * width

    def _text(self) -> str:
        length = self._uint64()
        begin = self.at
        self._skip(length)
        return self.content[begin : self.at].decode("utf-8", "backslashreplace")

    def _must_fit(self, count: int, smallest: int, what: str) -> None:
        if count * smallest > self.size - self.at:
            raise _Damaged(f"it announces {count} {what}, and {self.size - self.at} bytes are left")

    def _uint32(self) -> int:
        return self._number("<I", 4)

    def _uint64(self) -> int:
        return self._number("<Q", 8)

    def _number(self, form: str, width: int) -> int:
        begin = self.at
        self._skip(width)
        (value,) = struct.unpack_from(form, self.content, begin)
        return int(value)

    def _skip(self, width: int) -> None:
        if width > self.size - self.at:
            raise _Damaged(f"byte {self.at + width} is announced, and there are {self.size}")
        self.at += width
