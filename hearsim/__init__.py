"""hearsim: a hearing-aid simulation toolkit with real-time music separation inside.

>>> import hearsim
>>> profile = hearsim.load_profile("flat")
>>> profile.listener.name
'normal'
"""

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Audio": "hearsim.core.audio",
    "Calibration": "hearsim.core.calibration",
    "Format": "hearsim.core.audio",
    "read": "hearsim.core.audio_files",
    "write": "hearsim.core.audio_files",
    "HearsimError": "hearsim.core.errors",
    "demo_song": "hearsim.music.demo_song",
    "hearing_aid": "hearsim.aid.hearing_aid",
    "load_profile": "hearsim.profile.load",
    "profile_names": "hearsim.profile.load",
    "measure": "hearsim.core.latency",
    "budget": "hearsim.core.latency",
    "Processor": "hearsim.core.processor",
    "Chain": "hearsim.core.composites",
    "Parallel": "hearsim.core.composites",
    "Delay": "hearsim.core.composites",
    "Reblock": "hearsim.core.composites",
    "Bypass": "hearsim.core.composites",
    "render": "hearsim.core.processor",
    "describe": "hearsim.core.processor",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import hearsim` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"hearsim has no {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


class _Package(ModuleType):
    """A package whose public names stay what they are when a module of the same name is imported (hearing_aid)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in _HOMES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
