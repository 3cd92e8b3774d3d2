"""What a measurement costs beside the model: a model that does no work, asked about up to a million texts.

    python tests/benchmarks/driver.py [--counts 10000 100000 1000000] [--ways list stream cached ray] [--words 25] [--profile]

A figure is CPU time of one thread from the call of the assertion to its return, divided by the number of examples, and how far that
raises the process's peak of memory above what it held with the data, and that of anonymous memory, behind which stands no file, so
that the system cannot drop it. Each run is a fresh process; the memo of a session is bound in all of them. `list` is a list of
texts, `stream` a JSONL file that is streamed, `cached` the list with a cache on disk, which is filled. `ray` and `ray-stream` are
the first two with two actors of a Ray cluster on this machine in the place of this process: the time is then that of all threads
of this process, Ray's too, and of the thread that asks; calls of actors, and what is sent to them and comes back, are counted.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import multiprocessing
import os
import pstats
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from idle import LOG_PROBS, Idle  # type: ignore[import-not-found]  # beside this script

from pytest_llm import Engine, Measurement, assert_perplexity_below, stream
from pytest_llm.inference.cache import cache_at
from pytest_llm.inference.cluster import asking, pool, sending
from pytest_llm.inference.cluster.settings import Cluster
from pytest_llm.inference.engine import using
from pytest_llm.inference.memo import remembering

WAYS = ("list", "stream", "cached", "ray", "ray-stream")
PERPLEXITY = math.exp(-sum(LOG_PROBS) / len(LOG_PROBS))
ON_RAY = Engine(cluster=Cluster("local", actors=2))


def texts(count: int, words: int = 25) -> Iterator[str]:
    """No two are the same; 25 words, as in the verses of a Bible."""
    verse = "and the evening and the morning were the first day of all that were made upon the earth beneath the sky that night"
    told = " ".join((verse.split() * (words // 24 + 1))[: words - 1])
    return (f"{place} {told}" for place in range(count))


def measured(way: str, count: int, words: int, profile: bool) -> None:
    """Print a line about one run."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as block:
        if way.startswith("ray"):
            block.enter_context(asking.closing())
            block.enter_context(using(ON_RAY))
            sent = _count_bytes()
        cache = (lambda: cache_at(folder, Path(), None, 10**10)) if way == "cached" else None
        with remembering(cache):
            assert_perplexity_below(Idle(), list(texts(100)), 8)  # what is imported, and tables, are not the data's
        path = Path(folder, "texts.jsonl")
        if way.endswith("stream"):
            with path.open("w") as file:
                file.writelines(json.dumps({"text": text}) + "\n" for text in texts(count, words))
        data = stream(path) if way.endswith("stream") else list(texts(count, words))
        profiler: AbstractContextManager[object] = cProfile.Profile() if profile else nullcontext()
        held, began, own = _resident(), time.process_time(), time.thread_time()
        with remembering(cache), profiler, _watched() as anonymous:
            measurement = assert_perplexity_below(Idle(), data, 8)
            seconds, own = time.process_time() - began, time.thread_time() - own
        _check(measurement, count)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            f"{way:>7}  {count:>9} examples  {seconds / count * 1e6:6.1f} µs  {(peak - held) / count:6.0f} bytes an example  "
            f"peak {(peak - held) / 2**20:6.0f} MiB above {held / 2**20:.0f}, "
            f"anonymous {(max(anonymous) - anonymous[0]) / 2**20:.0f} MiB",
            flush=True,
        )
        if way.startswith("ray"):
            print(
                f"         of these {own / count * 1e6:.1f} µs in the thread that asks; {sent['calls']} calls, sent "
                f"{sent['out'] / count:.0f} bytes an example, got {sent['back'] / count:.0f}",
                flush=True,
            )
        if isinstance(profiler, cProfile.Profile):
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def _count_bytes() -> dict[str, int]:
    """How many bytes stretches and their answers have, from now on."""
    sent = {"calls": 0, "out": 0, "back": 0}
    packed, unpacked = sending.packed_items, sending.unpacked_result

    def put(items: Sequence[Any]) -> bytes:
        data = packed(items)
        sent["calls"] += 1
        sent["out"] += len(data)
        return data

    def got(data: bytes) -> Any:
        sent["back"] += len(data)
        return unpacked(data)

    setattr(pool, "packed_items", put)  # noqa: B010  # what is counted is no part of the module
    setattr(pool, "unpacked_result", got)  # noqa: B010
    return sent


def _check(measurement: Measurement, count: int) -> None:
    if measurement.n != count or not math.isclose(measurement.value, PERPLEXITY, rel_tol=1e-12):
        raise SystemExit(f"{measurement.n} of {count} examples, perplexity {measurement.value}: expected {PERPLEXITY}")


def _resident() -> int:
    """Bytes that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@contextmanager
def _watched() -> Iterator[list[int]]:
    """Anonymous memory in bytes, looked at every 50 ms (Linux)."""
    seen, over = [_anonymous()], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            seen.append(_anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not say how much memory is anonymous")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=["list", "stream", "cached"])
    parser.add_argument("--words", type=int, default=25, help="of each text (default: 25)")
    parser.add_argument("--profile", action="store_true", help="where the time goes; slows it down")
    options = parser.parse_args()
    for way in options.ways:
        for count in options.counts:
            child = multiprocessing.get_context("spawn").Process(
                target=measured, args=(way, count, options.words, options.profile)
            )
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(f"{way}, {count}: the process that was to be measured ended with {child.exitcode}")


if __name__ == "__main__":
    main()
