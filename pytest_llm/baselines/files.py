"""Baselines as files: a JSON that a pull request shows, and beside it the arrays, held together by a checksum.

Both are written whole or not at all (`pair`), and equal baselines are equal bytes. The JSON has a checksum of its own, so that half
of a merge, or a number that was set right by hand, is no baseline.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_llm.baselines.baseline import Baseline
from pytest_llm.baselines.pair import MOST_BYTES, arrays_of, content_of, write_pair
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.data.whole_file import locked
from pytest_llm.errors import MisuseError, about
from pytest_llm.statistics.repeats import Noise
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.checksum import sealed
from pytest_llm.storage.numbers import FloatArray, number, unbroken
from pytest_llm.storage.strict_json import parsed

FORMAT = 1
_MEMBERS = (
    *("format", "metric", "settings", "value", "interval", "examples", "counts", "signature", "data", "model"),
    *("recorded", "arrays", "noise", "checksum"),
)


def write(path: Path, baseline: Baseline) -> None:
    """Write `path` (….json) and the arrays beside it (….npz)."""
    write_pair(path, *encoded(baseline))


def encoded(baseline: Baseline) -> tuple[bytes, bytes]:
    """The content of both files: the JSON and the arrays.

    Raises:
        MisuseError: it is larger than `MOST_BYTES`.
    """
    arrays = _packed(baseline)
    text = _text(baseline, hashlib.sha256(arrays).hexdigest()).encode("utf-8")
    if (size := len(text) + len(arrays)) > MOST_BYTES:
        raise MisuseError(f"{baseline.data}: a baseline of {size:,} bytes; {MOST_BYTES:,} at most: take fewer examples")
    return text, arrays


def read(path: Path) -> Baseline:
    """Read what `write` wrote.

    Raises:
        MisuseError: a file is missing, damaged, of a later version, or the two do not belong together.
    """
    try:
        with locked(path.parent):  # another run may be writing both
            content = _content(path)
            raw = content_of(arrays_of(path, content.text("arrays")))
        if hashlib.sha256(raw).hexdigest() != content.text("arrays"):
            raise MisuseError(
                f"the baseline {path} does not belong to the {path.with_suffix('.npz').name} beside it (other checksum): "
                f"commit both, or record them again with --llm-update-baselines"
            )
        with about(str(path)):
            return _baseline(content, raw)
    except MisuseError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise MisuseError(
            f"the baseline {path} cannot be read ({type(error).__name__}: {error}): restore it, or record it again with "
            f"--llm-update-baselines"
        ) from None


def _content(path: Path) -> Checked:
    content = Checked(parsed(content_of(path)), f"the baseline {path} cannot be read")
    if (version := content.whole("format")) != FORMAT:
        raise MisuseError(f"the baseline {path} has format {version!r}, this version reads {FORMAT}")
    if not content.is_whole:
        raise MisuseError(
            f"the baseline {path} is not as it was written (other checksum): restore it, or record it again with "
            f"--llm-update-baselines"
        )
    return content


def _text(baseline: Baseline, checksum: str) -> str:
    provenance, identity = baseline.provenance, baseline.identity
    content = {
        "format": FORMAT,
        "metric": baseline.metric,
        "settings": dict(baseline.settings),
        "value": baseline.value,
        "interval": None if baseline.interval is None else [number(end) for end in baseline.interval],
        "examples": len(baseline.ids),
        "counts": baseline.counts,
        "signature": baseline.signature,
        "data": {"name": baseline.data, "digest": baseline.data_digest},
        "model": {
            "name": provenance.model,
            "dtype": provenance.dtype,
            "device": provenance.device,
            "weights": identity.weights,
            "tokenizer": identity.tokenizer,
        },
        "recorded": dict(baseline.recorded),
        "arrays": checksum,
    }
    if baseline.noise is not None:
        content["noise"] = {
            "runs": list(baseline.noise.values),
            "standard_deviation": baseline.noise.deviation(),  # for readers
        }
    try:
        told = json.loads(json.dumps(content, allow_nan=False))  # as a reader finds it
        return unbroken(json.dumps(sealed(told), indent=2, sort_keys=True, ensure_ascii=False)) + "\n"
    except ValueError as error:
        raise MisuseError(f"{baseline.data}: this is no baseline, {error}") from None


def _packed(baseline: Baseline) -> bytes:
    stream = io.BytesIO()
    arrays: dict[str, Any] = {
        "ids": np.array(baseline.ids, dtype=np.str_),
        "contents": np.array(baseline.contents, dtype=np.str_),
        "statistics": np.ascontiguousarray(baseline.statistics, dtype="<f8"),
    }
    if baseline.units:
        arrays["units"] = np.array(baseline.units, dtype=np.str_)
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _baseline(content: Checked, raw: bytes) -> Baseline:
    content.refuse_others(_MEMBERS)
    ids, contents, statistics, units = _arrays(raw)
    examples, model, data = content.whole("examples"), content.part("model"), content.part("data")
    if not len(ids) == len(contents) == len(statistics) == examples or len(units) not in (0, len(ids)):
        raise ValueError(f"{examples} examples are announced, {len(ids)} are there")
    baseline = Baseline(
        content.text("metric"),
        content.number("value"),
        content.interval("interval"),
        content.text("counts"),
        content.text("signature"),
        data.text("name"),
        Provenance(model.text("name"), model.text("dtype"), model.text("device")),
        Identity(model.text("weights"), model.text("tokenizer")),
        content.text_by_name("recorded"),
        ids,
        contents,
        statistics,
        units,
        content.mapping("settings"),
        Noise(tuple(content.part("noise").vector("runs").tolist())) if "noise" in content.names() else None,
    )
    if len(set(ids)) < len(ids) or baseline.data_digest != data.text("digest"):
        raise ValueError("its examples are not those that it is about")
    if not (np.isfinite(baseline.value) and np.isfinite(statistics).all()):
        raise ValueError("it holds a number that is not finite")
    return baseline


def _arrays(raw: bytes) -> tuple[tuple[str, ...], tuple[str, ...], FloatArray, tuple[str, ...]]:
    """Ids, contents, statistics and units, if there are any."""
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        if (size := sum(member.file_size for member in packed.infolist())) > MOST_BYTES:
            raise ValueError(f"its arrays unpack to {size:,} bytes; {MOST_BYTES:,} are accepted")
        statistics = _array(packed, "statistics", "f", 2).astype(np.float64)
        units = _array(packed, "units", "U", 1).tolist() if "units.npy" in packed.namelist() else []
        ids, contents = (tuple(_array(packed, name, "U", 1).tolist()) for name in ("ids", "contents"))
    return ids, contents, statistics, tuple(units)


def _array(packed: zipfile.ZipFile, name: str, kind: str, dimensions: int) -> NDArray[Any]:
    """An array of the archive.

    Not by `np.load`, which takes the memory that a header asks for before it looks whether so much is there. What is read here
    cannot be a pickle: numbers and texts lie in the file as they do in memory.

    Raises:
        ValueError, KeyError: it is not there, or is another kind of array.
    """
    if (info := packed.getinfo(f"{name}.npy")).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name!r} is packed by method {info.compress_type}")
    size = info.file_size
    with packed.open(info) as member:
        if (version := np.lib.format.read_magic(member)) != (1, 0):
            raise ValueError(f"{name!r} is an array of version {version}")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member)
        if by_columns or dtype.kind != kind or len(shape) != dimensions:
            raise ValueError(f"{name!r} is an array of {dtype}, {shape}")
        # no more than is announced: `read()` would unpack all that is there
        return np.frombuffer(member.read(size), dtype).reshape(shape)
