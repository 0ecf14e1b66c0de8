"""Provenance of a result: version, command, date and processor."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """Return version, command line, date (UTC, ISO 8601), processor and number of cores, for a result's file."""
    from hearsim import __version__

    program, *arguments = sys.orig_argv if sys.argv[:1] in ([""], ["-c"]) else sys.argv
    return {
        "hearsim": __version__,
        "command": shlex.join([Path(program).name, *arguments]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 1,
    }


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name from Linux, or from Python's `platform` elsewhere."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, names), platform.processor() or platform.machine() or "unknown processor")
