"""What the package is made of, and whether an advisory is known for any of it.

    python .ci/supply_chain.py PYTHON

PYTHON is the interpreter of an environment in which the package is installed. Writes `build/sbom.cdx.json`, a bill of materials
(CycloneDX) of the package and what it needs, without what only its tests need; then asks pip-audit about everything installed.
Ends with 1 if an advisory is known. An audit for which no answer could be had is none: it says so, and with `--required`
ends with 1, too.

Advisories that do not concern us stand in `.ci/accepted_advisories.txt`, one in a line with the reason behind it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BILL = Path("build/sbom.cdx.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of the environment")
    parser.add_argument("--required", action="store_true", help="an audit without an answer is a failure")
    arguments = parser.parse_args()
    BILL.parent.mkdir(exist_ok=True)
    bill = needed_alone(installed(arguments.python))
    BILL.write_text(json.dumps(bill, indent=1), encoding="utf-8")
    print(f"{BILL}: {len(bill['components'])} components of pytest-llm-regression")
    said, passed = judged(audit(arguments.python), required=arguments.required)
    print(said)
    return 0 if passed else 1


def installed(python: str) -> dict[str, Any]:
    """The bill of materials of everything in the environment."""
    # to hold it against the schema would take twenty times as long; the tool's own tests do
    command = ["cyclonedx_py", "environment", "--pyproject", "pyproject.toml", "--mc-type", "library", "--no-validate"]
    found = _run([*command, "--output-format", "JSON", "--output-file", "-", python])
    bill: dict[str, Any] = json.loads(found)
    return bill


def needed_alone(bill: Mapping[str, Any]) -> dict[str, Any]:
    """Of a bill of materials the components that the package itself leads to."""
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    reached, waiting = set[str](), [bill["metadata"]["component"]["bom-ref"]]
    while waiting:
        reference = waiting.pop()
        if reference not in reached:
            reached.add(reference)
            waiting += needs.get(reference, [])
    return {
        **bill,
        "components": [component for component in bill["components"] if component["bom-ref"] in reached],
        "dependencies": [entry for entry in bill["dependencies"] if entry["ref"] in reached],
    }


def audit(python: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package of the environment."""
    paths = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    ignored = [part for advisory in accepted() for part in ("--ignore-vuln", advisory)]
    command = ["pip_audit", "--path", paths.stdout.strip(), "--format", "json", "--progress-spinner", "off", *ignored]
    packages: list[dict[str, Any]] = json.loads(_run(command, endings=(0, 1)))["dependencies"]
    return packages


def accepted() -> list[str]:
    """The advisories that were looked at and do not concern us.

    Raises:
        SystemExit: one without a reason.
    """
    lines = (HERE / "accepted_advisories.txt").read_text(encoding="utf-8").splitlines()
    entries = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    for entry in entries:
        if len(entry) < 2:
            raise SystemExit(f".ci/accepted_advisories.txt: {entry[0]} has no reason behind it")
    return [advisory for advisory, _ in entries]


def judged(packages: Sequence[Mapping[str, Any]], *, required: bool) -> tuple[str, bool]:
    """What is to be said of an audit, and whether it passes."""
    unknown = [package for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {found['id']} ({', '.join(found['aliases']) or 'no other name'}), "
        f"mended in {', '.join(found['fix_versions']) or 'no release yet'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    if lines:
        return "\n".join([f"{len(lines)} advisories:", *lines]), False
    answered = len(packages) - len(unknown)
    if not answered:
        return (
            f"NOT AUDITED: no answer for any of {len(packages)} packages; is the index's JSON API reachable?",
            not required,
        )
    left = f"; not known there: {', '.join(package['name'] for package in unknown)}" if unknown else ""
    return f"no advisory for {answered} of {len(packages)} packages{left}", True


def _run(module: Sequence[str], endings: Sequence[int] = (0,)) -> str:
    """What a module, run as a command, writes."""
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)
    if done.returncode not in endings:
        raise SystemExit(f"{module[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
