"""Logs of Inspect: `.eval`, an archive of JSON files, and `.json`, all of it in one, as inspect-ai 0.3 writes them.

Of a sample: `id`, `input`, `target`, `metadata`, `output` and, by scorer, `scores` (value "C", "I", or a number; the answer that
the scorer took out of the output). Members of an archive are packed with Zstandard, which `zipfile` reads from Python 3.14 on
and pyarrow on all; so it is pyarrow that unpacks them here.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pytest_llm.baselines.importing.bounded import (
    LARGEST_FILE,
    LARGEST_PART,
    json_object,
    numbers,
    refuse_too_large,
    taken,
    text_of,
)
from pytest_llm.baselines.importing.log import Answer, Log
from pytest_llm.errors import MisuseError

_OURS = {
    "exact": "squad_exact_match",
    "f1": "squad_f1",
    **dict.fromkeys(("match", "choice", "pattern", "answer"), "exact_match"),
}
"""By scorer, the metric that may mean the same; whether it does, each example shows."""
_GRADES = {"C": 1.0, "I": 0.0, "N": 0.0, "P": 0.5}
_ENCRYPTED = 0x1
_LOCAL_HEADER = "<4s22xHH"


def read(path: Path, chosen: str | None = None) -> Log:
    """The scorers' answers.

    Args:
        path: the log.
        chosen: which scorer; None: all.

    Raises:
        MisuseError: no log of Inspect, a run that did not succeed, no such scorer, two that would be one metric of ours.
    """
    refuse_too_large(path)
    header, samples = _archive(path) if path.suffix.lower() == ".eval" else _whole(path)
    status = taken(path.name, header, "status", str)
    if status != "success":
        raise MisuseError(f"{path.name}: the run ended with status {status!r}; a part of it is no baseline")
    evaluation = taken(path.name, header, "eval", dict)
    if not samples:
        raise MisuseError(f"{path.name} holds no samples: was it written with log_samples=False?")
    answers, other = _answers(samples, chosen)
    version = text_of(evaluation, "packages", "inspect_ai") or "of unknown version"
    return Log(
        f"inspect-ai {version}, task {text_of(evaluation, 'task')}{f', scorer {chosen}' * (chosen is not None)}",
        answers,
        other,
        text_of(evaluation, "model"),
        date=text_of(evaluation, "created")[:10],
        rounding=0.005001,  # the scorer f1 rounds to two digits
    )


def _whole(path: Path) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    log = json_object(path.name, path.read_bytes())
    taken(path.name, log, "eval", dict)
    samples = log.get("samples") or []
    if not isinstance(samples, list):
        raise MisuseError(f"{path.name}: 'samples' is {samples!r:.60} ({type(samples).__name__}), not a list")
    return log, [(f"{path.name}, sample {number}", sample) for number, sample in enumerate(samples, 1)]


def _archive(path: Path) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            members = {member.filename: member for member in archive.infolist()}
            if sum(member.file_size for member in members.values()) > LARGEST_FILE:
                raise MisuseError(f"{path.name} unpacks to more than {LARGEST_FILE:,} bytes")
            if "header.json" not in members:
                raise MisuseError(f"{path.name} has no header.json: the run did not end, or it is no log of Inspect")
            header = _unpacked(path, stream, members["header.json"])
            names = sorted(name for name in members if name.startswith("samples/") and name.endswith(".json"))
            samples = [(f"{path.name}, {name}", _unpacked(path, stream, members[name])) for name in names]
    except MisuseError:
        raise
    except (
        ValueError,
        zipfile.BadZipFile,
        OSError,
        EOFError,
        zlib.error,
        struct.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise MisuseError(f"{path.name} cannot be read as an archive, or is cut off: {error}") from None
    return header, samples


def _unpacked(path: Path, stream: BinaryIO, member: zipfile.ZipInfo) -> dict[str, Any]:
    """Not by `zipfile`, which believes what a member says of its size only after it has unpacked all of it."""
    place = f"{path.name}, {member.filename}"
    if max(member.file_size, member.compress_size) > LARGEST_PART:
        sizes = (
            f"unpacks to {member.file_size:,} bytes"
            if member.file_size > LARGEST_PART
            else "is packed in too many bytes"
        )
        raise MisuseError(f"{place} {sizes}; at most {LARGEST_PART:,} are read")
    unpack = _UNPACKERS.get(member.compress_type)
    if unpack is None or member.flag_bits & _ENCRYPTED:
        raise MisuseError(f"{place} is encrypted, or packed by method {member.compress_type}: Inspect did not write it")
    raw = unpack(_packed(stream, member), member.file_size + 1)  # one more than announced shows that it is more
    if len(raw) != member.file_size or zlib.crc32(raw) != member.CRC:
        raise MisuseError(f"{place} is damaged: other content than the archive announces")
    return json_object(place, raw)


def _packed(stream: BinaryIO, member: zipfile.ZipInfo) -> bytes:
    stream.seek(member.header_offset)
    magic, name, extra = struct.unpack(_LOCAL_HEADER, stream.read(struct.calcsize(_LOCAL_HEADER)))
    if magic != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{member.filename} is not where the archive says")
    stream.seek(name + extra, 1)
    return stream.read(member.compress_size)


def _stored(packed: bytes, most: int) -> bytes:
    return packed[:most]


def _from_deflate(packed: bytes, most: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)


def _from_zstandard(packed: bytes, most: int) -> bytes:
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd") as unpacking:
        raw: bytes = unpacking.read(most)
    return raw


_UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {
    zipfile.ZIP_STORED: _stored,
    zipfile.ZIP_DEFLATED: _from_deflate,
    93: _from_zstandard,
}


def _answers(
    samples: Sequence[tuple[str, Any]], chosen: str | None
) -> tuple[dict[str, tuple[Answer, ...]], tuple[str, ...]]:
    of_all = [taken(place, sample, "scores", dict) for place, sample in samples]
    there = [name for name in of_all[0] if all(name in scores for scores in of_all)]
    if chosen is not None and chosen not in there:
        raise MisuseError(f"{samples[0][0]}: no scorer is called {chosen!r}; there: {', '.join(there) or 'none'}")
    scorers = [name for name in there if chosen in (None, name)]
    answers: dict[str, tuple[Answer, ...]] = {}
    for name in scorers:
        ours = _OURS.get(name)
        if ours is None:
            continue
        if ours in answers:
            alike = ", ".join(scorer for scorer in scorers if _OURS.get(scorer) == ours)
            raise MisuseError(f"{samples[0][0]}: the scorers {alike} would all be {ours}: choose one (--filter SCORER)")
        answers[ours] = tuple(_answer(place, sample, name) for place, sample in samples)
    return answers, tuple(name for name in scorers if name not in _OURS)


def _answer(place: str, sample: dict[str, Any], scorer: str) -> Answer:
    score = taken(place, sample["scores"], scorer, dict)
    value = taken(place, score, "value", (str, int, float))
    answer = score.get("answer")
    return Answer(
        name=f"{place} (epoch {sample.get('epoch', 1)})",
        row=dict(_columns(place, sample)),
        output=_resolved(sample, answer if isinstance(answer, str) else text_of(sample, "output", "completion")),
        target=taken(place, sample, "target", (str, list)),
        score=numbers(place, [_GRADES.get(value, value) if isinstance(value, str) else value])[0],
    )


def _columns(place: str, sample: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The row: what the sample's metadata hold, and its input as `text`."""
    metadata = sample.get("metadata")
    yield from metadata.items() if isinstance(metadata, dict) else ()
    yield "id", taken(place, sample, "id", (str, int))
    if isinstance(sample.get("choices"), list):
        yield "choices", sample["choices"]
    given = taken(place, sample, "input", (str, list))
    if isinstance(given, list):  # a chat; one turn of it is a text
        contents = [text_of(message, "content") for message in given]
        if len(contents) != 1 or not contents[0]:
            return
        given = contents[0]
    yield "text", _resolved(sample, given)


def _resolved(sample: dict[str, Any], text: str) -> str:
    """Long texts may stand among the attachments."""
    name = text.removeprefix("attachment://")
    return text_of(sample, "attachments", name) or text if name != text else text
