"""No file that we read can run code: what would let it is looked for in the whole package, and each use has its reason here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_llm

PACKAGE = Path(pytest_llm.__file__).parent
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "multiprocessing.reduction"}
CALLS = {"torch.load", "np.load", "numpy.load", "eval", "exec", "yaml.load", "np.fromfile"}
TABLES = {"csv.writer", "csv.DictWriter", "to_csv", "to_excel"}

ALLOWED = {
    ("inference/cluster/sending.py", "pickle"): "to and from actors that we started, which run our code",
    (
        "inference/processes.py",
        "multiprocessing.reduction",
    ): "models for processes that we started, through their pipes",
    ("inference/ranks.py", "pickle"): "between processes of one launch, after each has said the secret of it",
    ("inference/ranks.py", "torch.load"): "the same, of models: never of a file",
    ("pretraining/trainer.py", "torch.load"): "a run of one's own; tensors and numbers only",
}
"""Of a module and what it uses: why no file of somebody else's comes near it."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def used(tree: ast.Module, names: set[str]) -> Iterator[tuple[str, ast.AST]]:
    """Modules that are imported and functions that are called, of these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            yield from ((name, node) for name in found & names)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            yield from (
                (name, node) for name in names if called == name or (called.endswith(f".{name}") and "to_" in name)
            )


def test_what_could_run_code_is_used_where_it_has_a_reason_and_nowhere_else() -> None:
    assert {(module, name) for module, tree in modules() for name, _ in used(tree, MODULES | CALLS)} == set(ALLOWED)


def test_of_a_file_torch_reads_weights_only() -> None:
    for module, tree in modules():
        for _, node in used(tree, {"torch.load"}):
            assert isinstance(node, ast.Call)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert given["weights_only"] == "True" or "BytesIO" in ast.unparse(node.args[0]), module


def test_no_table_is_written_in_which_a_cell_could_be_a_formula() -> None:
    """We write no CSV and no workbook: a writer of one has to guard cells that begin with = + - @, a tab or a carriage return."""
    assert [(module, name) for module, tree in modules() for name, _ in used(tree, TABLES)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("def f():\n    import dill", ["dill"]),
        ("np.load(path, allow_pickle=True)", ["np.load"]),
        ("import csv\ncsv.writer(file)", ["csv.writer"]),
        ("frame.to_csv(path)", ["to_csv"]),
        ("model.eval()", []),
    ],
)
def test_the_search_finds_what_it_looks_for(source: str, found: list[str]) -> None:
    assert [name for name, _ in used(ast.parse(source), MODULES | CALLS | TABLES)] == found
