"""hearsim: a hearing-aid simulation toolkit with real-time music separation inside.

The public names are those of `hearsim.__all__`; each is imported when it is first used, so `import hearsim` is light.

>>> import hearsim
>>> profile = hearsim.load_profile("flat")
>>> profile.listener.name
'normal'
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # for type checkers and editors: the names and modules of _HOMES (a test compares them)
    from hearsim import metrics as metrics
    from hearsim import testing as testing
    from hearsim.aid.device import HearingAid as HearingAid
    from hearsim.aid.fitting.fitting import Prescription as Prescription
    from hearsim.aid.fitting.fitting import prescribe as prescribe
    from hearsim.aid.hearing_aid import hearing_aid as hearing_aid
    from hearsim.core.audio import Audio as Audio
    from hearsim.core.audio import Format as Format
    from hearsim.core.audio_files import read as read
    from hearsim.core.audio_files import write as write
    from hearsim.core.calibration import Calibration as Calibration
    from hearsim.core.composites import Bypass as Bypass
    from hearsim.core.composites import Chain as Chain
    from hearsim.core.composites import Delay as Delay
    from hearsim.core.composites import Parallel as Parallel
    from hearsim.core.composites import Reblock as Reblock
    from hearsim.core.errors import FormatError as FormatError
    from hearsim.core.errors import HearsimError as HearsimError
    from hearsim.core.errors import HearsimWarning as HearsimWarning
    from hearsim.core.latency import LatencyEntry as LatencyEntry
    from hearsim.core.latency import LatencyLedger as LatencyLedger
    from hearsim.core.probing import measure as measure
    from hearsim.core.processor import Processor as Processor
    from hearsim.core.processor import describe as describe
    from hearsim.core.processor import latency_ledger as latency_ledger
    from hearsim.core.processor import render as render
    from hearsim.ear.ear import Ear as Ear
    from hearsim.music.demo_song import demo_song as demo_song
    from hearsim.music.demo_song import mixture as mixture
    from hearsim.profile.aid import Aid as Aid
    from hearsim.profile.aid import Compression as Compression
    from hearsim.profile.aid import Vent as Vent
    from hearsim.profile.listener import Audiogram as Audiogram
    from hearsim.profile.listener import Ears as Ears
    from hearsim.profile.listener import Listener as Listener
    from hearsim.profile.load import load_profile as load_profile
    from hearsim.profile.load import profile_names as profile_names
    from hearsim.profile.mix import Mix as Mix
    from hearsim.profile.schema import Profile as Profile
    from hearsim.profile.schema import Rig as Rig
    from hearsim.separation.stems import Stems as Stems
    from hearsim.separation.stems import separate as separate
    from hearsim.simulation.listening import Result as Result
    from hearsim.simulation.listening import listen as listen

_HOMES = {  # public name -> its module; None: a module itself
    "Aid": "hearsim.profile.aid",
    "Audio": "hearsim.core.audio",
    "Audiogram": "hearsim.profile.listener",
    "Bypass": "hearsim.core.composites",
    "Calibration": "hearsim.core.calibration",
    "Chain": "hearsim.core.composites",
    "Compression": "hearsim.profile.aid",
    "Delay": "hearsim.core.composites",
    "Ear": "hearsim.ear.ear",
    "Ears": "hearsim.profile.listener",
    "Format": "hearsim.core.audio",
    "FormatError": "hearsim.core.errors",
    "HearingAid": "hearsim.aid.device",
    "HearsimError": "hearsim.core.errors",
    "HearsimWarning": "hearsim.core.errors",
    "LatencyEntry": "hearsim.core.latency",
    "LatencyLedger": "hearsim.core.latency",
    "Listener": "hearsim.profile.listener",
    "Mix": "hearsim.profile.mix",
    "Parallel": "hearsim.core.composites",
    "Prescription": "hearsim.aid.fitting.fitting",
    "Processor": "hearsim.core.processor",
    "Profile": "hearsim.profile.schema",
    "Reblock": "hearsim.core.composites",
    "Result": "hearsim.simulation.listening",
    "Rig": "hearsim.profile.schema",
    "Stems": "hearsim.separation.stems",
    "Vent": "hearsim.profile.aid",
    "demo_song": "hearsim.music.demo_song",
    "describe": "hearsim.core.processor",
    "hearing_aid": "hearsim.aid.hearing_aid",
    "latency_ledger": "hearsim.core.processor",
    "listen": "hearsim.simulation.listening",
    "load_profile": "hearsim.profile.load",
    "measure": "hearsim.core.probing",
    "metrics": None,
    "prescribe": "hearsim.aid.fitting.fitting",
    "mixture": "hearsim.music.demo_song",
    "profile_names": "hearsim.profile.load",
    "read": "hearsim.core.audio_files",
    "render": "hearsim.core.processor",
    "separate": "hearsim.separation.stems",
    "testing": None,
    "write": "hearsim.core.audio_files",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # a type checker would take it for "any name, of any type"

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'hearsim' has no attribute {name!r}")
        home = _HOMES[name]
        module = importlib.import_module(home or f"hearsim.{name}")
        globals()[name] = value = getattr(module, name) if home else module
        return value
