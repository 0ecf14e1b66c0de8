"""Who listens, to which mix, with which aid, on which rig: the four parts of a profile.

All are frozen and checked: an unknown key, a threshold of 200 dB HL or an MPO the headphones can't play is
refused when the profile is loaded (`hearsim.profile.load`), not in the middle of a render.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Never, Self

from pydantic import BeforeValidator, Field, model_validator

from hearsim.core.arguments import check_kind
from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.files import model_hop
from hearsim.core.networks import resolve_model
from hearsim.core.validation import Number, Settings, plain_init, unknown_key
from hearsim.profile.aid import CUTOFF_HZ, Aid, Compression, Vent
from hearsim.profile.listener import MPO_DB_SPL, Audiogram, Ears, FrequencyHz, Listener, ThresholdDbHl
from hearsim.profile.mix import STEMS, Gains, Mix, gains_of

__all__ = [
    "CUTOFF_HZ",
    "MPO_DB_SPL",
    "PEAK_OVER_RMS_DB",
    "STEMS",
    "Aid",
    "Audiogram",
    "Compression",
    "Ears",
    "FrequencyHz",
    "Gains",
    "Listener",
    "Mix",
    "Number",
    "Profile",
    "Rig",
    "ThresholdDbHl",
    "Vent",
]
PEAK_OVER_RMS_DB = 3.0103  # of a sine: 20 lg sqrt 2


class Rig(Settings):
    """Microphone and headphones: the level in dB SPL of a digital RMS of 1.0 at either end.

    Examples
    --------
    >>> rig = Rig(name="loud", microphone_full_scale_db_spl=94, headphones_full_scale_db_spl=120)
    >>> rig.headphones.full_scale_db_spl
    120.0
    """

    name: str = "own"
    microphone_full_scale_db_spl: Number = Field(ge=60, le=160)
    headphones_full_scale_db_spl: Number = Field(ge=60, le=160)

    @property
    def microphone(self) -> Calibration:
        """Calibration of the input."""
        return Calibration(self.microphone_full_scale_db_spl)

    @property
    def headphones(self) -> Calibration:
        """Calibration of the output."""
        return Calibration(self.headphones_full_scale_db_spl)


def _known_model(model: object) -> object:
    """Return a model's name, its folder as text, or a network; raises for anything else."""
    if isinstance(model, str | Path):
        return str(model)
    if not isinstance(model, type) and all(hasattr(model, name) for name in ("hop", "stems", "step", "initial_state")):
        return model
    raise ValueError("give a model's name, its folder, or a SeparatorNet")


Model = Annotated[Any, BeforeValidator(_known_model)]


class Profile(Settings):
    """A listener, a mix, an aid and a rig; and the model that separates.

    Parameters
    ----------
    listener : Listener or str
        Who listens: an object, a name of the shipped ones, or a file, that of a profile included.
    mix : Mix, dict or str
        Gains of the stems: an object, `{"vocals": 6}` in dB, a name or a file. Default: 0 dB on every stem.
    aid, rig : Aid, Rig or str
        The device and its calibration: objects, names or files. Defaults: those of the default profile,
        "closed" and "aid".
    model : str, Path or SeparatorNet
        The network that separates: the name of a shipped one or of a plug-in, a model's folder, `module:name` or
        `file.py:name` of user code, or a network.
    name : str
        The profile's name in reports. Default: that of the listener.

    Raises
    ------
    HearsimError
        For parts that do not exist or do not fit each other.

    Examples
    --------
    >>> listener = Listener.from_thresholds({500: 30, 1000: 40, 2000: 55, 4000: 65}, name="Anna")
    >>> profile = Profile(listener, mix={"vocals": 6})
    >>> profile.name, profile.aid.name, profile.rig.name, round(profile.mix.gain("vocals"), 3)
    ('Anna', 'closed', 'aid', 1.995)

    """

    name: str
    listener: Listener
    mix: Mix
    aid: Aid
    rig: Rig
    model: Model = "hs-tasnet-lite"

    @plain_init
    def __init__(
        self,
        listener: Listener | str,
        mix: Mix | Mapping[str, float | str] | str = "flat",
        aid: Aid | str = "closed",
        rig: Rig | str = "aid",
        model: str | Path | object = "hs-tasnet-lite",
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        from hearsim.profile import load  # which imports this file

        for key in unknown:
            raise HearsimError(f"Profile: {unknown_key(key, key, list(type(self).model_fields))}")
        for key, part, kind in (
            ("listener", listener, Listener),
            ("mix", mix, Mix),
            ("aid", aid, Aid),
            ("rig", rig, Rig),
        ):
            kinds = (kind, str, Mapping) if kind is not Listener else (kind, str)
            check_kind(
                f"Profile: {key} must be {'an' if kind is Aid else 'a'} {kind.__name__}, a name or a file",
                part,
                kinds,
                "give one of them",
            )
        if isinstance(mix, Mapping):
            mix = Mix(name="own", gains_db=gains_of(mix))
        parts = {
            "listener": load.load_listener(listener) if isinstance(listener, str) else listener,
            "mix": load.load_mix(mix) if isinstance(mix, str) else mix,
            "aid": load.load_aid(aid) if isinstance(aid, str) else aid,
            "rig": load.load_rig(rig) if isinstance(rig, str) else rig,
        }
        if isinstance(model, str | Path):
            resolve_model(str(model), Path.cwd(), "Profile: ")  # refuses a misspelt name here
        label = name if name is not None else getattr(parts["listener"], "name", "profile")
        super().__init__(name=label, model=model, **parts)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the profile as a table; for JSON raises `HearsimError` where the model is a network."""
        if options.get("mode") == "json":
            self._check_named_model()
        return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """Return the profile as JSON; raises `HearsimError` where the model is a network."""
        self._check_named_model()
        return super().model_dump_json(**options)

    def _check_named_model(self) -> None:
        if not isinstance(self.model, str):
            raise HearsimError(
                f"the model of this profile is a network ({type(self.model).__name__}), which a file can't name: save "
                "it with hearsim.separation.models.save_model, and give its folder"
            )

    @property
    def block_samples(self) -> int:
        """Samples in a block of the aid: as its settings say, else the model's hop, which delays least.

        >>> [Profile("N3", model=name).block_samples for name in ("hs-tasnet-lite", "hs-tasnet-lite-6ms")]
        [512, 128]
        """
        return self.aid.block_samples or model_hop(self.model)

    @property
    def mpo_db_spl(self) -> tuple[float, float]:
        """The limit per ear: the aid's MPO or the ear's UCL, whichever is lower."""
        ucl = self.listener.ucl_db_spl
        if ucl is None:
            return self.aid.mpo_db_spl, self.aid.mpo_db_spl
        return min(self.aid.mpo_db_spl, ucl.left), min(self.aid.mpo_db_spl, ucl.right)

    @model_validator(mode="after")
    def _check(self) -> Self:
        limit = max(self.mpo_db_spl)
        room = self.rig.headphones_full_scale_db_spl - PEAK_OVER_RMS_DB
        if limit > room:
            needed = math.ceil(10 * (limit + PEAK_OVER_RMS_DB)) / 10
            raise ValueError(
                f"the MPO of {limit:g} dB SPL (aid {self.aid.name}) would clip the headphones of rig {self.rig.name}, "
                f"which play up to {math.floor(10 * room) / 10:g}: lower mpo_db_spl, or take a rig whose "
                f"headphones_full_scale_db_spl is {needed:g} or more"
            )
        return self
