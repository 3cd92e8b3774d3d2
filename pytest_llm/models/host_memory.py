"""How much memory of this machine, or of its container, is free. Standard library only."""

from __future__ import annotations

from pathlib import Path

# of a container, cgroups version 2
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat")
_CACHED = ("inactive_file ", "active_file ")


def free_host_memory() -> int | None:
    """Bytes: the less of the system's and the container's; None where neither says."""
    found = [free for free in (_available(), _left_in_container()) if free is not None]
    return min(found, default=None)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _left_in_container() -> int | None:
    try:
        most, used, statistics = (Path(name).read_text(encoding="ascii").strip() for name in LIMITS)
        # what is cached of files counts as used, but is given back when it is wanted
        cached = sum(int(line.split()[1]) for line in statistics.splitlines() if line.startswith(_CACHED))
        return max(0, int(most) - int(used) + cached)
    except (OSError, ValueError):  # no container, or the limit "max"
        return None
