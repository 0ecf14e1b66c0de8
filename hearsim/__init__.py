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
    "Audio": "hearsim.audio",
    "Calibration": "hearsim.audio",
    "Format": "hearsim.audio",
    "read": "hearsim.audio_files",
    "write": "hearsim.audio_files",
    "HearsimError": "hearsim.errors",
    "demo_song": "hearsim.demo_song",
    "hearing_aid": "hearsim.hearing_aid",
    "load_profile": "hearsim.profile",
    "profile_names": "hearsim.profile",
    "measure": "hearsim.latency",
    "budget": "hearsim.latency",
    "Processor": "hearsim.processor",
    "Chain": "hearsim.processor",
    "Parallel": "hearsim.processor",
    "Delay": "hearsim.processor",
    "Reblock": "hearsim.processor",
    "Bypass": "hearsim.processor",
    "render": "hearsim.processor",
    "describe": "hearsim.processor",
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
