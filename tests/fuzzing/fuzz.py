"""Fuzz readers, led by the coverage of our code: libFuzzer through atheris (dependency group `fuzzing`).

    python -m tests.fuzzing.fuzz gguf --seconds 600

Several readers are given the same inputs, each of them all: for those that read much the same, and quickly. Seconds are the
processor's, so that a busy machine makes no campaign shorter. Each kind of finding is said once, with its input kept in
`tests/fuzzing/findings/<reader>/` (or `--keep FOLDER`), and the search goes on. At the end: what libFuzzer counted. The exit
code is 1 where something was found.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["pytest_llm"]):
    from tests.fuzzing import watching
    from tests.fuzzing.mutation import LONGEST, mutated
    from tests.fuzzing.parsers import PARSERS
    from tests.fuzzing.watching import FindingError, examine

_FINDINGS = Path(__file__).parent / "findings"
_MOST_MEMORY = 4096
"""Megabytes, libFuzzer's own limit besides that of `watching`."""
_SLOWEST = 50
"""Seconds that may go by for one of the processor's."""


def main() -> int:
    """Run until the time is over, in a process of its own: libFuzzer ends it without any cleaning up."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fuzzing-", dir=watching.MEMORY_DISK) as folder:
        if (child := os.fork()) == 0:
            _search(options, Path(folder))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return 1 if code == 0 and Path(folder, "found").exists() else code


def _search(options: argparse.Namespace, folder: Path) -> None:
    tempfile.tempdir = watching.MEMORY_DISK = str(folder)
    readers = [(name, PARSERS[name]) for name in options.readers]
    seeds = [seed for _, reader in readers for seed in reader.seeds()]
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    known: set[str] = set()
    last = time.process_time() + options.seconds

    def examined(data: bytes) -> None:
        for name, reader in readers:
            try:
                examine(reader, data[:LONGEST])
            except FindingError as error:
                if (kind := f"{name}: {_kind(error)}") not in known:
                    known.add(kind)
                    Path(folder, "found").touch()
                    _say(error, kind, data, options.keep / name)
        if time.process_time() > last:
            os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer says what it counted, and ends

    def changed(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(random, [data, random.choice(seeds)])[:most]

    corpus = (options.corpus or folder) / "-".join(options.readers)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        corpus.joinpath(f"seed-{number}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        f"-max_total_time={_SLOWEST * options.seconds}",
        f"-max_len={LONGEST}",
        f"-rss_limit_mb={_MOST_MEMORY}",
    ]
    crashes = options.keep / "crashes"
    crashes.mkdir(parents=True, exist_ok=True)
    arguments += [f"-timeout={30 * _SLOWEST}", "-print_final_stats=1", f"-artifact_prefix={crashes}/", str(corpus)]
    atheris.Setup(arguments, examined, custom_mutator=changed)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readers", nargs="+", metavar="READER", help=f"one or more of {', '.join(sorted(PARSERS))}")
    parser.add_argument("--seconds", type=int, default=600, help="of the processor")
    parser.add_argument("--keep", type=Path, default=_FINDINGS, help="where inputs of findings are kept")
    parser.add_argument("--corpus", type=Path, help="where inputs that reach further are kept, and taken up again")
    options = parser.parse_args()
    if unknown := set(options.readers) - set(PARSERS):
        parser.error(f"no reader is called {', '.join(sorted(unknown))}")
    return options


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
    sys.exit(main())
