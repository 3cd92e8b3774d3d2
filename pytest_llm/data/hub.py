"""Data sets of the Hugging Face hub, by an address that no path can be taken for: a mistyped file name asks no server.

    hf://datasets/<owner>/<name>[@<revision>][/<configuration>]#<split>

as in `hf://datasets/wmt/wmt14@b199e406/de-en#test`. They are read by `datasets`, which keeps them in its cache; with
HF_HUB_OFFLINE=1 only what is there is read. No code of a data set is run. A revision keeps a gate's data from changing under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_llm.errors import MisuseError

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/([\w.-]+))?#([\w.-]+)")


def is_on_hub(data: object) -> bool:
    return isinstance(data, str) and data.startswith(SCHEME)


def read_from_hub(address: str) -> Iterable[Mapping[str, Any]]:
    """The rows of one split.

    Raises:
        MisuseError: an address that is none, or a data set that cannot be had; with the reason that `datasets` gives.
    """
    name, revision, configuration, split = parse_address(address)
    import datasets

    try:
        rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(name, configuration, split=split, revision=revision)
    except Exception as error:  # the library and what it loads through raise all kinds
        first_line = str(error).partition("\n")[0]
        raise MisuseError(f"data {address!r} cannot be had ({type(error).__name__}: {first_line})") from error
    return rows


def parse_address(address: str) -> tuple[str, str | None, str | None, str]:
    """Name, revision, configuration and split.

    Raises:
        MisuseError: an address that is none.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise MisuseError(
            f"data {address!r:.200}: expected hf://datasets/<owner>/<name>#<split>, with @<revision> and /<configuration> between "
            f"if there are several"
        )
    name, revision, configuration, split = match.groups()
    return name, revision, configuration, split
