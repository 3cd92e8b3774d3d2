"""Baselines as files: a JSON that a pull request shows, and beside it the arrays, held together by a checksum.

Both are written whole or not at all (`pair`), and equal baselines are equal bytes. The JSON has a checksum of its own, so that half
of a merge, or a number that was set right by hand, is no baseline.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_llm.baselines.baseline import Baseline
from pytest_llm.baselines.pair import arrays_of, write_pair
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.data.whole_file import locked
from pytest_llm.errors import MisuseError
from pytest_llm.statistics.repeats import Noise

FORMAT = 1
MOST_BYTES = 2**30
"""A larger one is no baseline that anybody would commit, and too much for the report of a test to carry."""


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
            raw = _bounded(arrays_of(path, content["arrays"]))
        if hashlib.sha256(raw).hexdigest() != content["arrays"]:
            raise MisuseError(
                f"the baseline {path} does not belong to the {path.with_suffix('.npz').name} beside it (other checksum): "
                f"commit both, or record them again with --llm-update-baselines"
            )
        return _baseline(content, raw)
    except MisuseError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        raise MisuseError(
            f"the baseline {path} cannot be read ({type(error).__name__}: {error}): restore it, or record it again with "
            f"--llm-update-baselines"
        ) from None


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_bounded(path).decode("utf-8"))
    if content["format"] != FORMAT:
        raise MisuseError(f"the baseline {path} has format {content['format']!r}, this version reads {FORMAT}")
    if content.pop("checksum", None) != checksum_of(content):
        raise MisuseError(
            f"the baseline {path} is not as it was written (other checksum): restore it, or record it again with "
            f"--llm-update-baselines"
        )
    return content


def _bounded(path: Path) -> bytes:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes; {MOST_BYTES:,} are accepted")
    return path.read_bytes()


def checksum_of(content: Mapping[str, Any]) -> str:
    """Of all members but this one, as they are, not as they are laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _text(baseline: Baseline, checksum: str) -> str:
    provenance, identity = baseline.provenance, baseline.identity
    content = {
        "format": FORMAT,
        "metric": baseline.metric,
        "settings": dict(baseline.settings),
        "value": baseline.value,
        "interval": baseline.interval,
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
    whole = {**content, "checksum": checksum_of(content)}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


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


def _baseline(content: dict[str, Any], raw: bytes) -> Baseline:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        if (size := sum(member.file_size for member in packed.infolist())) > MOST_BYTES:
            raise ValueError(f"its arrays unpack to {size:,} bytes; {MOST_BYTES:,} are accepted")
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        ids, contents, statistics = (arrays[name] for name in ("ids", "contents", "statistics"))
        units = arrays["units"] if "units" in arrays else ids[:0]
    if not len(ids) == len(contents) == len(statistics) == content["examples"] or len(units) not in (0, len(ids)):
        raise ValueError(f"{content['examples']} examples are announced, {len(ids)} are there")
    model = content["model"]
    return Baseline(
        content["metric"],
        content["value"],
        None if content["interval"] is None else tuple(content["interval"]),
        content["counts"],
        content["signature"],
        content["data"]["name"],
        Provenance(model["name"], model["dtype"], model["device"]),
        Identity(model["weights"], model["tokenizer"]),
        content["recorded"],
        tuple(ids.tolist()),
        tuple(contents.tolist()),
        statistics,
        tuple(units.tolist()),
        content["settings"],
        Noise(tuple(content["noise"]["runs"])) if "noise" in content else None,
    )
