"""What `.ci/supply_chain.py` makes of a bill of materials, and of what pip-audit says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "supply_chain.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("supply_chain", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(name: str, *advisories: str, unknown: bool = False) -> dict[str, Any]:
    if unknown:
        return {"name": name, "version": "1", "skip_reason": "not found"}
    return {
        "name": name,
        "version": "1",
        "vulns": [{"id": advisory, "aliases": [], "fix_versions": ["2"]} for advisory in advisories],
    }


def test_the_bill_has_what_the_package_leads_to_and_nothing_else(script: Any) -> None:
    bill = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [{"bom-ref": name} for name in ("torch", "sympy", "mpmath", "ruff")],
        "dependencies": [
            {"ref": "root", "dependsOn": ["torch"]},
            {"ref": "torch", "dependsOn": ["sympy"]},
            {"ref": "sympy", "dependsOn": ["mpmath"]},
            {"ref": "mpmath"},
            {"ref": "ruff"},
        ],
    }
    found = script.needed_alone(bill)
    assert [component["bom-ref"] for component in found["components"]] == ["torch", "sympy", "mpmath"]
    assert [entry["ref"] for entry in found["dependencies"]] == ["root", "torch", "sympy", "mpmath"]


def test_an_advisory_fails_and_is_named(script: Any) -> None:
    said, passed = script.judged([package("sound"), package("broken", "PYSEC-1")], required=False)
    assert not passed
    assert said == "1 advisories:\nbroken 1: PYSEC-1 (no other name), mended in 2"


@pytest.mark.parametrize("required", [False, True])
def test_no_answer_at_all_is_no_audit(script: Any, required: bool) -> None:
    said, passed = script.judged([package("a", unknown=True), package("b", unknown=True)], required=required)
    assert said.startswith("NOT AUDITED: no answer for any of 2 packages")
    assert passed is not required


def test_what_is_not_known_is_named(script: Any) -> None:
    said, passed = script.judged([package("a"), package("ours", unknown=True)], required=True)
    assert passed
    assert said == "no advisory for 1 of 2 packages; not known there: ours"


def test_an_accepted_advisory_needs_a_reason(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "HERE", tmp_path)
    (tmp_path / "accepted_advisories.txt").write_text("# a comment\n\nPYSEC-1  only reads files of ours\n")
    assert script.accepted() == ["PYSEC-1"]
    (tmp_path / "accepted_advisories.txt").write_text("PYSEC-1\n")
    with pytest.raises(SystemExit, match="PYSEC-1 has no reason behind it"):
        script.accepted()
