"""Ranks find each other through a store, and whoever does not know the secret is not listened to."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch
from torch.distributed import HashStore  # type: ignore[attr-defined]  # in its __init__, and not in __all__

from pytest_llm.errors import MisuseError
from pytest_llm.inference import rank_connections
from pytest_llm.inference.rank_connections import Launch, agree_on_kernels, call_off, join, launch_of, wait_for_others
from pytest_llm.models import linear_kernels

LAUNCHED = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "host"}
LAUNCHED["MASTER_PORT"] = "29500"
THREE = [Launch(rank, 3, rank, 3, "localhost") for rank in range(3)]


@pytest.fixture
def store() -> Any:
    store = HashStore()
    store.set_timeout(timedelta(seconds=20))
    return store


def test_a_launch_is_what_the_environment_says() -> None:
    assert launch_of(LAUNCHED) == Launch(1, 3, 0, 1, "host")


@pytest.mark.parametrize("lacking", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_a_launcher_there_is_none(lacking: str) -> None:
    assert launch_of({}) is None
    assert launch_of({**LAUNCHED, lacking: ""}) is None


def test_one_process_is_no_launch() -> None:
    assert launch_of({**LAUNCHED, "WORLD_SIZE": "1", "RANK": "0"}) is None


@pytest.mark.parametrize("rank", ["3", "-1", "one"])
def test_variables_that_contradict_each_other_are_refused(rank: str) -> None:
    with pytest.raises(MisuseError, match=f"RANK='?{rank}'?"):
        launch_of({**LAUNCHED, "RANK": rank})


def test_each_rank_gets_its_own_connection(store: Any) -> None:
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(wait_for_others, THREE[0], store)
        others = [threads.submit(join, launch, store) for launch in reversed(THREE[1:])]
        ends = first.result(20)
        for number, other in zip((2, 1), others, strict=True):
            theirs = other.result(20)
            assert isinstance(theirs, Connection)
            theirs.send_bytes(f"rank {number}".encode())
            assert ends[number - 1].recv_bytes() == f"rank {number}".encode()
    assert json.loads(store.get("pytest_llm/meeting"))["host"] == "127.0.0.1"


def test_whoever_does_not_know_the_secret_is_not_listened_to(store: Any) -> None:
    two = [Launch(rank, 2, rank, 2, "localhost") for rank in range(2)]
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(wait_for_others, two[0], store)
        store.wait(["pytest_llm/meeting"], timedelta(seconds=20))
        told = json.loads(store.get("pytest_llm/meeting"))
        for said in (b"", b"x" * 36, bytes(31) + (1).to_bytes(5, "big")):
            with socket.create_connection((told["host"], told["port"])) as stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                assert stranger.recv(1) == b""
        assert not first.done()
        assert isinstance(join(two[1], store), Connection)
        assert len(first.result(20)) == 1


def test_a_session_without_a_question_is_called_off(store: Any) -> None:
    call_off(store, 5)
    assert join(THREE[1], store) == 5


def test_ranks_that_do_not_come_are_named(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_connections, "WAIT", timedelta(seconds=0.1))
    with pytest.raises(MisuseError, match=r"ranks 1, 2 of 3 did not come within 0:00:00.1.*--llm-engine ranks"):
        wait_for_others(THREE[0], store)


def test_all_ranks_multiply_with_the_kernel_of_whoever_was_first(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (3, 4, 5, True, torch.float32, 1)
    monkeypatch.setattr(linear_kernels, "agree", linear_kernels.alone)
    monkeypatch.setattr(linear_kernels, "chosen", {shape: "packed"})
    agree_on_kernels(store)
    assert linear_kernels.agree(shape, "default") == "packed"
    assert linear_kernels.agree((9, *shape[1:]), "onednn") == "onednn"
    assert linear_kernels.agree((9, *shape[1:]), "default") == "onednn"
