"""The options and ini keys of pytest that this plugin adds: what each is called, takes and does, and nothing else."""

from __future__ import annotations

import argparse

import pytest

from pytest_llm.baselines.current import UPDATES


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called by pytest, through `plugin`."""
    group = parser.getgroup("llm", "language model quality (pytest-llm-regression)")
    group.addoption(
        "--llm-model",
        metavar="MODEL",
        help="the model of the fixture llm: a checkpoint folder, a .gguf file, a hub id, or one of tiny-decoder, tiny-encoder, "
        "tiny-encoder-decoder (shipped), smollm2, minilm",
    )
    group.addoption(
        "--llm-device",
        metavar="DEVICE",
        default="auto",
        help="auto (default: this worker's GPU, else the CPU), cpu, cuda, cuda:1 or mps",
    )
    group.addoption(
        "--llm-device-map",
        metavar="MAP",
        help="auto: spread the model over all GPUs, then the host's memory, then the disk, in the place of --llm-device; or "
        "another word of accelerate's; with --llm-engine ray each actor does so with its own. Needs the extra [accelerate]",
    )
    group.addoption(
        "--llm-dtype",
        choices=["auto", "float32", "bfloat16", "float16"],
        default="auto",
        help="weights' type: auto (default: float32 on the CPU, the checkpoint's own type on a GPU), float32, …",
    )
    group.addoption(
        "--llm-limit",
        metavar="N",
        help="use only so many examples of each data set, or a share such as 10%%: always the same ones; for quick runs; all: "
        "whatever the tier says",
    )
    group.addoption(
        "--llm-budget",
        metavar="TIME",
        help="how long one assertion may ask, such as 5min: then it ends as an error, and what was answered is kept",
    )
    group.addoption(
        "--llm-reference",
        metavar="MODEL",
        help="the model of the fixture llm_reference, to compare the one under test with: as --llm-model",
    )
    group.addoption(
        "--llm-update-baselines",
        metavar="WHICH",
        nargs="?",
        const="changed",
        choices=UPDATES,
        help="record baselines: missing ones, these and changed ones (default), or all; each is listed with what was there before",
    )
    group.addoption(
        "--llm-calibrate",
        metavar="N",
        type=_runs,
        default=0,
        help="ask each model N times more, past all that is remembered, and store the run-to-run noise with its baseline",
    )
    group.addoption(
        "--llm-strict",
        action="store_true",
        help="no regression has to be proven: what may be worse than tolerated fails",
    )
    group.addoption(
        "--llm-correction",
        choices=["none", "holm"],
        default="none",
        help="holm: share alpha among the gates of the whole suite, of which the ini key llm_gates says how many there are",
    )
    group.addoption(
        "--llm-stop",
        choices=["off", "certain", "sequential"],
        default=None,
        help="decide gates before all data is seen: off (default), certain (the rest cannot change the verdict), or sequential "
        "(it does with probability 1%% at most)",
    )
    group.addoption(
        "--llm-tier",
        metavar="NAME",
        help="how much is asked: pr, nightly, weekly, or what the ini key llm_tiers says; runs what is marked for it, too",
    )
    group.addoption(
        "--llm-nightly", action="store_true", help="--llm-tier nightly: run the tests marked llm_nightly too"
    )
    group.addoption(
        "--llm-deterministic",
        action="store_true",
        help="ask models about one text at a time, so that no answer depends, in its last digits, on the others; slower",
    )
    group.addoption(
        "--llm-processes",
        metavar="N",
        type=_processes,
        default=1,
        help="share each model's work among N processes of this machine (default: 1); on the CPU they share the weights",
    )
    group.addoption(
        "--llm-engine",
        choices=["local", "ranks", "ray"],
        default="local",
        help="who answers: this process (local, the default), all that a launcher such as torchrun has started (ranks): one "
        "of them runs the tests, the others serve it, or actors of a Ray cluster (ray; extra [ray]), each with the model",
    )
    group.addoption(
        "--llm-ray-address",
        metavar="ADDRESS",
        help="of --llm-engine ray: auto (default: that of RAY_ADDRESS, else the cluster that runs on this machine), host:port, or "
        "local: one on this machine for this run",
    )
    group.addoption(
        "--llm-ray-actors",
        metavar="N",
        type=int,
        help="of --llm-engine ray: how many processes answer, of all -n workers together (default: as many as there is room for)",
    )
    group.addoption(
        "--llm-ray-gpus",
        metavar="N",
        type=float,
        help="of --llm-engine ray: GPUs of each actor, or a share of one, such as 0.5 (default: 0, they compute on CPUs)",
    )
    group.addoption(
        "--llm-ray-cpus",
        metavar="N",
        type=int,
        help="of --llm-engine ray: CPUs of each actor, and its threads (default: 1)",
    )
    group.addoption(
        "--llm-json",
        metavar="FILE",
        help="write what was measured to a file, with the statistics of each example and the verdicts",
    )
    group.addoption(
        "--llm-history",
        metavar="DIR",
        help="add what this session measured to a folder that is kept from run to run, a file each; `pytest-llm history DIR` says "
        "what changes",
    )
    group.addoption(
        "--llm-html",
        metavar="FILE",
        help="write the run as a page, one file: intervals against limits, changes of single examples, the worst ones with their "
        "texts",
    )
    group.addoption(
        "--llm-mlflow",
        metavar="URI",
        help="send this session to MLflow as a run, such as sqlite:///mlflow.db or https://…; needs the extra [mlflow]",
    )
    group.addoption(
        "--llm-report",
        metavar="NAME=TARGET",
        action="append",
        default=[],
        help="send this session's verdicts to a reporter that an installed package brings (entry point pytest_llm.reporters)",
    )
    group.addoption(
        "--llm-markdown",
        metavar="FILE",
        help="write all verdicts to a file as a Markdown table, what failed first; on GitHub Actions the step's summary gets one "
        "by itself",
    )
    group.addoption(
        "--llm-gate-exit-code",
        metavar="N",
        type=_exit_code,
        help="the exit code of a session in which tests failed, and all of them at a quality gate (default: 1, pytest's own)",
    )
    group.addoption(
        "--llm-rejudge",
        metavar="FILE",
        help="judge what a run measured (its --llm-json) by today's limits, tolerances and baselines; no model is loaded",
    )
    group.addoption(
        "--llm-cache",
        metavar="DIR",
        help="where models' answers are kept for later sessions: a folder, or off (default: in pytest's own cache)",
    )
    group.addoption(
        "--llm-replay",
        metavar="ID",
        help="try one stored counter-example (llm_corpus/), or those whose ids begin so, and nothing else",
    )
    group.addoption(
        "--llm-update-corpus",
        action="store_true",
        help="keep new counter-examples beside the tests (llm_corpus/), as open; open ones that hold now become fixed",
    )
    parser.addini("llm_cache", "where answers of models are kept for later sessions: a folder, or off; as --llm-cache")
    parser.addini("llm_cache_size", "how large the cache of answers may become, such as 500MB (default: 2GB)")
    parser.addini("llm_budget", "how long one assertion may ask, such as 5min, or off; as --llm-budget")
    parser.addini(
        "llm_models_size",
        "how much memory models may take that assertions were given by name and that are kept for the next one, such as 20GB; 0: "
        "none (default: as much as there is room for)",
    )
    parser.addini("llm_model", "the model of the fixture llm where neither --llm-model nor PYTEST_LLM_MODEL is given")
    parser.addini(
        "llm_group",
        "fixtures that load a model: tests that use the same one run on one xdist worker, so that its weights are loaded once; "
        "none: each runs where there is room (default: llm llm_reference)",
        type="args",
        default=["llm", "llm_reference"],
    )
    parser.addini(
        "llm_anchor", "a baseline, such as the last release, that the change in all is stated against, besides"
    )
    parser.addini("llm_gates", "how many gates against baselines the whole suite has, for --llm-correction=holm")
    parser.addini("llm_tier", "the tier of a run without --llm-tier")
    parser.addini(
        "llm_tiers",
        "the tiers, from the smallest to the largest, a line each, such as 'pr: limit=200, stop=certain, budget=5min'",
        type="linelist",
    )
    parser.addini(
        "llm_thresholds", "a TOML file of limits: one table per suite name or test id (path from the ini file)"
    )


def _processes(given: str) -> int:
    from pytest_llm.inference.engine import Engine

    try:
        return Engine(processes=int(given)).processes
    except ValueError:  # MisuseError is one
        raise argparse.ArgumentTypeError(f"{given!r}: expected a whole number of processes, at least 1") from None


def _exit_code(given: str) -> int:
    if not given.isdecimal() or len(given) > 3 or not 6 <= int(given) <= 125:
        raise argparse.ArgumentTypeError(
            f"{given!r}: expected a number from 6 to 125; pytest and shells use the others"
        )
    return int(given)


def _runs(given: str) -> int:
    if not given.isdecimal() or len(given) > 9 or int(given) < 2:
        raise argparse.ArgumentTypeError(f"{given!r}: expected how often each model is asked again, at least 2 times")
    return int(given)
