"""Measure the CPU time and the memory of a side's process."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time in seconds; memory in bytes, now and at most."""

    cpu: float
    memory: int
    peak: int | None = None


def usage(pid: int) -> Usage | None:
    """Return what the process *pid* has used, or None if this system cannot tell."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return _of_proc(pid, status)
    if importlib.util.find_spec("psutil"):
        return _of_psutil(pid)
    return None


def _of_proc(pid: int, status: Path) -> Usage | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        text = status.read_text()
    except OSError:
        return None
    found = {name: int(kib) << 10 for name, kib in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", text)}
    if "VmRSS" not in found:
        return None  # The process has ended and is a zombie.
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage((int(fields[11]) + int(fields[12])) / ticks, found["VmRSS"], found.get("VmHWM"))


def _of_psutil(pid: int) -> Usage | None:
    import psutil

    try:
        process = psutil.Process(pid)
        times, memory = process.cpu_times(), process.memory_info()
    except psutil.Error:
        return None
    return Usage(times.user + times.system, memory.rss, getattr(memory, "peak_wset", None))
