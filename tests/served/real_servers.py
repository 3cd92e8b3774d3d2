"""Servers that other people wrote, started on this machine for the length of a block, and ended with it.

llama-cpp-python is of the dependency group `servers`; PYTEST_LLM_LLAMA_CPP_PYTHON names a Python that has it elsewhere. vLLM wants
releases of torch and transformers that are not ours: PYTEST_LLM_VLLM names a Python that has it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LONGEST_START = 180.0
"""Seconds; a loaded machine takes ten times as long as an idle one."""


@dataclass
class RealServer:
    """A process that answers at an address.

    Args:
        command: what starts it.
        port: where it listens, on the loopback address.
        ready: a path that it answers with 200 once it can be asked.
        log: the file with all that it says.
        environment: variables besides those of this process.
        longest_start: seconds after which it is given up.
    """

    command: Sequence[str]
    port: int
    ready: str
    log: Path
    environment: dict[str, str]
    longest_start: float = LONGEST_START
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start it, and wait until it can be asked.

        Raises:
            AssertionError: it ended, or was not ready in time; with the last lines of its log.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,  # some start processes of their own, which end with them
            )
        patience = time.monotonic() + self.longest_start
        while not self._answers():
            assert self.process.poll() is None, f"{self.command[0]} ended:\n{self.said()}"
            assert time.monotonic() < patience, f"not ready after {self.longest_start:g} s:\n{self.said()}"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash would: without a word to those whom it answers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(server: RealServer) -> Iterator[RealServer]:
    """The server, started; its log is shown with a test that fails in this block."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def transformers_serve(checkpoint: Path, folder: Path) -> RealServer:
    """`transformers serve` of one model, on the CPU in float32. It calls the model by its path."""
    port = free_port()
    own = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(checkpoint), *own]
    return RealServer(
        command, port, "/health", folder / "transformers-serve.log", {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    )


def llama_cpp_python(gguf: Path, folder: Path) -> RealServer:
    """The server of llama-cpp-python; by itself it would break off one answer when another one is asked for."""
    port = free_port()
    own = ["--host", "127.0.0.1", "--port", str(port), "--model_alias", "smollm2", "--interrupt_requests", "false"]
    threads = ["--n_threads", "1", "--n_threads_batch", "1"]
    python = os.environ.get("PYTEST_LLM_LLAMA_CPP_PYTHON", sys.executable)
    command = [python, "-m", "llama_cpp.server", "--model", str(gguf), *own, *threads]
    return RealServer(command, port, "/v1/models", folder / "llama-cpp-python.log", {})


def vllm(checkpoint: Path, folder: Path) -> RealServer:
    """VLLM with one model on the CPU in float32, of which it takes no more context than 128 tokens."""
    port = free_port()
    own = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny", "--dtype", "float32"]
    small = ["--max-model-len", "128", "--max-num-seqs", "4", "--enforce-eager"]
    python = os.environ["PYTEST_LLM_VLLM"]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint), *own, *small]
    environment = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": "",
    }
    return RealServer(command, port, "/health", folder / "vllm.log", environment, longest_start=1800.0)
