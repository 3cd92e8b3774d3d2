"""Fuzz one reader, led by the coverage of our code: libFuzzer through atheris (dependency group `fuzzing`).

    python -m tests.fuzzing.fuzz gguf --seconds 600

Each kind of finding is said once, with its input kept in `tests/fuzzing/findings/<parser>/` (or `--keep FOLDER`), and the search
goes on. At the end: what libFuzzer counted. The exit code is 1 where something was found.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["pytest_llm"]):
    from tests.fuzzing.mutation import LONGEST, mutated
    from tests.fuzzing.parsers import PARSERS
    from tests.fuzzing.watching import FindingError, examine

_FINDINGS = Path(__file__).parent / "findings"
_MOST_MEMORY = 4096
"""Megabytes, libFuzzer's own limit besides that of `watching`."""


def main() -> None:
    """Run until the time is over; libFuzzer ends the process."""
    options = _options()
    parser, seeds = PARSERS[options.parser], list(PARSERS[options.parser].seeds())
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    known: set[str] = set()

    def examined(data: bytes) -> None:
        try:
            examine(parser, data[:LONGEST])
        except FindingError as error:
            if (kind := _kind(error)) not in known:
                known.add(kind)
                _say(error, kind, data, options.keep / options.parser)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(random, [data, *seeds[:1]])[:most]

    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    for number, seed in enumerate(seeds):
        corpus.joinpath(str(number)).write_bytes(seed)
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-max_len={LONGEST}",
        f"-rss_limit_mb={_MOST_MEMORY}",
    ]
    arguments += ["-timeout=30", "-print_final_stats=1", f"-artifact_prefix={corpus}/", "-verbosity=1", str(corpus)]
    atheris.Setup(arguments, examined, custom_mutator=changed)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parser", choices=sorted(PARSERS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--keep", type=Path, default=_FINDINGS, help="where inputs of findings are kept")
    return parser.parse_args()


def _kind(error: FindingError) -> str:
    """The same for what one line of ours does in one way."""
    cause = error.__cause__
    if cause is None:
        return str(error)[:20]
    ours = [frame for frame in traceback.extract_tb(cause.__traceback__) if "pytest_llm" in frame.filename]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "elsewhere"
    return f"{type(cause).__name__} at {where}, {str(error)[:12]}"


def _say(error: FindingError, kind: str, data: bytes, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    print(f"FINDING {kind}: {error} [{os.path.relpath(path)}]", flush=True)


if __name__ == "__main__":
    main()
