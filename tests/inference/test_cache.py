"""The cache: it holds what was committed, whatever became of the process, and nothing that happens to it ends a run."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.errors import CacheWarning
from pytest_llm.inference.cache import Cache, cache_at, question_of
from pytest_llm.inference.cache_file import NAME, ForeignFileError

QUESTION = question_of("model", "tiny-decoder", "Score()", "together", 0)
TEXTS = {f"text {number}": "answer" * 50 for number in range(300)}


@pytest.fixture(autouse=True)
def no_other_warning() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CacheWarning)
        yield
    assert not caught


def in_another_process(folder: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    """Run code there, with a `cache` in that folder."""
    prelude = """
        import os, sys, warnings
        from pathlib import Path
        from pytest_llm.inference.cache import Cache, question_of
        cache = Cache(lambda: Path(sys.argv[1]))
        question = question_of("model", "tiny-decoder", "Score()", "together", 0)
        cache.find(question, [])
    """
    program = textwrap.dedent(prelude) + textwrap.dedent(code)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", program, str(folder), *arguments], **pipes)


@pytest.mark.parametrize(
    "other",
    [
        ("other", "tiny-decoder", "Score()", "together", 0),
        ("model", "tiny-decoder", "Score(add_bos=False)", "together", 0),
        ("model", "tiny-decoder", "Score()", "one at a time", 0),
        ("model", "tiny-decoder", "Score()", "together", 1),
    ],
    ids=["model", "request", "policy", "repeat"],
)
def test_an_answer_is_found_only_under_all_that_it_depends_on(
    tmp_path: Path, other: tuple[str, str, str, str, int]
) -> None:
    cache = Cache(lambda: tmp_path)
    cache.keep(QUESTION, {"text": "answer"})
    assert cache.find(question_of(*other), ["text"]) == {}
    renamed = question_of("model", "another folder", "Score()", "together", 0)
    assert cache.find(renamed, ["text", "other text"]) == {"text": "answer"}
    cache.close()


def test_pairs_and_texts_are_different_questions(tmp_path: Path) -> None:
    cache = Cache(lambda: tmp_path)
    cache.keep(QUESTION, {("a", "b"): "pair", "ab": "text", "\ud800": "surrogate"})
    assert cache.find(QUESTION, [("a", "b"), ("ab", ""), "ab", "\ud800"]) == {
        ("a", "b"): "pair",
        "ab": "text",
        "\ud800": "surrogate",
    }
    cache.close()


def test_neither_a_text_nor_a_source_is_in_the_file(tmp_path: Path) -> None:
    cache = Cache(lambda: tmp_path)
    cache.keep(QUESTION, {"a secret text": "answer"})
    cache.close()
    content = (tmp_path / NAME).read_bytes()
    assert b"answer" in content
    assert b"secret" not in content


def test_no_file_is_made_before_something_is_looked_up(tmp_path: Path) -> None:
    Cache(lambda: tmp_path / "cache").close()
    assert not (tmp_path / "cache").exists()


def test_what_was_committed_is_there_after_sigkill(tmp_path: Path) -> None:
    child = in_another_process(
        tmp_path,
        """
        cache.keep(question, {"kept": "answer"})
        print("kept", flush=True)
        import time
        time.sleep(600)
        """,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "kept\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    cache = Cache(lambda: tmp_path)
    assert cache.find(QUESTION, ["kept"]) == {"kept": "answer"}
    cache.close()


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """They make the file together too."""
    children = [
        in_another_process(
            tmp_path,
            f"""
            for number in range(60):
                cache.keep(question, {{f"{{number}} by {who}": "own", f"{{number}} by all": "same"}})
            """,
        )
        for who in range(3)
    ]
    for child in children:
        _, errors = child.communicate()
        assert (child.returncode, errors) == (0, "")
    cache = Cache(lambda: tmp_path)
    names = [f"{number} by {who}" for number in range(60) for who in (0, 1, 2, "all")]
    assert len(cache.find(QUESTION, names)) == 240
    cache.close()


def damage(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("not a database " * 500)
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:20_000])
    if how == "scribbled over":
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    if how == "foreign":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE songs (name TEXT)")
        other.close()


@pytest.mark.parametrize("how", ["text", "cut off", "scribbled over", "foreign"])
def test_a_file_that_cannot_be_trusted_is_set_aside_with_a_warning(tmp_path: Path, how: str) -> None:
    first = Cache(lambda: tmp_path)
    first.keep(QUESTION, TEXTS)
    first.close()
    damage(tmp_path / NAME, how)
    damaged = (tmp_path / NAME).read_bytes()
    cache = Cache(lambda: tmp_path)
    with pytest.warns(CacheWarning, match=f"set aside as {NAME}.aside-1, and a new one is begun"):
        assert cache.find(QUESTION, list(TEXTS)) == {}
    cache.keep(QUESTION, TEXTS)
    assert cache.find(QUESTION, list(TEXTS)) == TEXTS
    cache.close()
    assert (tmp_path / f"{NAME}.aside-1").read_bytes() == damaged


def test_the_file_that_another_process_has_begun_meanwhile_is_not_set_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("not a database " * 500)
    slow, fast = Cache(lambda: tmp_path), Cache(lambda: tmp_path)
    slow._inode = os.stat(tmp_path / NAME).st_ino  # it has seen the damaged one
    with pytest.warns(CacheWarning, match="set aside"):
        fast.keep(QUESTION, {"text": "answer"})
    slow._set_aside(ForeignFileError("damaged"))
    assert slow.find(QUESTION, ["text"]) == {"text": "answer"}
    slow.close()
    fast.close()


def goes_on_without(cache: Cache, reason: str) -> None:
    with pytest.warns(CacheWarning, match=f"answers are not kept on disk from here on: .*{reason}"):
        cache.keep(QUESTION, TEXTS)
    assert cache.find(QUESTION, list(TEXTS)) == {}  # without a second warning
    cache.keep(QUESTION, TEXTS)
    cache.close()


def test_a_folder_that_cannot_be_made_ends_in_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    goes_on_without(Cache(lambda: tmp_path / "file" / "cache"), "Not a directory|exists")


def test_a_user_without_a_home_has_no_folder_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pathlib.os.path.expanduser", lambda path: path)  # as where the system knows no such user
    cache = cache_at("~/answers", tmp_path, None, 10**6)
    assert cache is not None
    with pytest.warns(CacheWarning, match="~/answers: Could not determine home"):
        assert cache.find(QUESTION, ["text"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_in_a_warning_and_what_was_there_stays(tmp_path: Path) -> None:
    """The limit on the size of files is the process's own; SQLite meets it as it meets a full disk: the write fails."""
    child = in_another_process(
        tmp_path,
        """
        import resource, signal
        cache.keep(question, {"first": "answer"})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for number in range(20):
                cache.keep(question, {f"{number}": "x" * 50_000})
        print(len(caught), caught[0].message)
        assert cache.find(question, ["first"]) == {}
        """,
    )
    output, errors = child.communicate()
    assert (child.returncode, errors) == (0, "")
    assert output.startswith("1 answers are not kept on disk from here on: ")
    cache = Cache(lambda: tmp_path)
    assert cache.find(QUESTION, ["first", "19"]) == {"first": "answer"}
    cache.close()


def test_a_database_that_may_not_grow_ends_in_a_warning(tmp_path: Path) -> None:
    cache = Cache(lambda: tmp_path)
    cache.keep(QUESTION, {"text": "answer"})
    assert cache._file is not None
    cache._file._connection.execute("PRAGMA max_page_count = 8")
    goes_on_without(cache, "database or disk is full")


def test_a_read_only_folder_ends_in_a_warning(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp())  # not tmp_path, which other users may not enter
    try:
        folder.chmod(0o555)
        code = """
            os.geteuid() or os.seteuid(65534)  # root may write everywhere
            cache = Cache(lambda: Path(sys.argv[2]))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                cache.keep(question, {"text": "answer"})
                cache.keep(question, {"text": "answer"})
            print(len(caught), caught[0].message)
        """
        child = in_another_process(tmp_path, code, str(folder))
        output, errors = child.communicate()
        assert (child.returncode, errors) == (0, "")
        assert output.startswith("1 answers are not kept on disk from here on: ")
        assert "unable to open" in output
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_opens_the_file_anew(tmp_path: Path) -> None:
    cache = Cache(lambda: tmp_path)
    cache.keep(QUESTION, {"parent": "answer"})
    child = os.fork()
    if not child:
        found = cache.find(QUESTION, ["parent"])
        cache.keep(QUESTION, {"child": "answer"})
        os._exit(0 if found == {"parent": "answer"} else 1)
    assert os.waitpid(child, 0)[1] == 0
    cache.keep(QUESTION, {"later": "answer"})
    assert len(cache.find(QUESTION, ["parent", "child", "later"])) == 3
    cache.close()
