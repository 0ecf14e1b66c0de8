"""The separators of an experiment: a shipped model, the true stems, or a blend of both.

Errors of a model, scaled:  s + e (s' - s)  with the true stem s and the model's s': the SDR of the model less 20 lg e.
Leakage:  s + l (x - s)  with the song x: a stem with the others at 20 lg l dB.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, model_validator

from hearsim.aid.separator import Separator
from hearsim.core.audio import Audio, Format
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.errors import HearsimError
from hearsim.core.files import find_model
from hearsim.core.networks import is_own, resolve_model
from hearsim.core.units import FloatArray, db_to_gain
from hearsim.core.validation import Settings
from hearsim.profile.schema import STEMS, Number
from hearsim.separation.models import load_network, network_sha256, read_info

HOP = 512
"""Default hop of the true stems, the delay of a network of 23 ms."""


RING_OUT = 4096
"""Samples of stems after the end of a song: more than the window of a network."""


class Separation(Settings):
    """The source of the stems and their latency, which is that of a network with that hop (0: none)."""

    name: str
    model: str | None = None  # a model's name or folder, a user's network; None: the true stems
    error_scale: Number = Field(default=1.0, ge=0, le=4)  # factor of the model's errors: 0 none, 1 unchanged
    leakage_db: Number | None = Field(default=None, ge=-100, le=0)  # of the true stems
    hop: int = Field(default=HOP, strict=True, ge=0, le=8192)
    sha256: str = ""  # of the model

    @model_validator(mode="after")
    def _check(self) -> "Separation":
        if self.model is None and self.error_scale != 1.0:
            raise ValueError("error_scale scales the errors of a model: name one with model")
        if self.model is not None and self.leakage_db is not None:
            raise ValueError("leakage_db goes with the true stems, which have no model: remove one of them")
        if self.model is not None and "hop" in self.model_fields_set:
            raise ValueError("the hop is the model's own: remove it")
        return self

    @property
    def network(self) -> "Separation | None":
        """The unscaled separation by the model; None for the true stems."""
        if self.model is None:
            return None
        return self._with(name="", error_scale=1.0)

    def resolved(self, base: Path, where: str) -> "Separation":
        """Return a copy with the model's folder, checksum and hop; raises `HearsimError` for an unknown model."""
        if self.model is None:
            return self
        from hearsim.separation.registry import read_config

        model = resolve_model(self.model, base, f"{where}: ")
        if is_own(model):
            return self._with(model=model, **_own(model, where))
        folder = find_model(model)
        info = read_info(folder)
        config = read_config(info.architecture, info.network, f"{folder / 'model.toml'}: [network]")
        return self._with(model=str(folder), sha256=info.sha256, hop=config.hop)

    def _with(self, **values: Any) -> "Separation":
        """Return a copy with the model's hop, which no file may set."""
        return BaseModel.model_copy(self, update=values)

    def latency(self, block: int) -> int:
        """Return the latency of the stems in samples, in an aid of this block."""
        return self.hop + self.hop - math.gcd(self.hop, block) if self.hop else 0

    def identity(self) -> dict[str, Any]:
        """Return the settings that determine the stems and their delay."""
        settings = self.model_dump(exclude={"name", "model"})
        return settings | {"errors": settings.pop("error_scale")}  # its name in the first results

    def stems(self, true_stems: Audio, separated: FloatArray | None) -> FloatArray:
        """Return the stems (4, 2, hop + frames + `RING_OUT`); `separated` are those of `network`.

        The song begins at `hop`. A network has output before and after it, which the aid plays.
        """
        true = np.pad(true_stems.samples, ((0, 0), (0, 0), (self.hop, RING_OUT)))
        if separated is not None:
            return separated if self.error_scale == 1.0 else _blend(true, separated, self.error_scale)
        if self.leakage_db is None:
            return true
        return _blend(true, np.broadcast_to(true.sum(axis=0), true.shape), db_to_gain(self.leakage_db))


def _own(model: str, where: str) -> dict[str, Any]:
    """Return checksum and hop of a user's network; raises `HearsimError` for one that studies can't use."""
    try:
        net, _ = load_network(model)
    except HearsimError as error:
        raise HearsimError(f"{where}: {error}") from None
    for name, value, needed in (
        ("rate", net.rate, AID_RATE_HZ),
        ("channels", net.channels, 2),
        ("stems", tuple(net.stems), STEMS),
        ("latency", net.latency, net.hop),
    ):
        if value != needed:
            raise HearsimError(f"{where}: {model} has {name} = {value}, and a study takes {needed} alone")
    return {"sha256": network_sha256(net), "hop": net.hop}


def _blend(true_stems: FloatArray, other: FloatArray, share: float) -> FloatArray:
    blend: FloatArray = true_stems + np.float32(share) * (other - true_stems)
    return blend


def separate(model: str, song: Audio, sha256: str = "") -> FloatArray:
    """Return a model's stems (4, 2, hop + frames + `RING_OUT`) of a song (2, frames), hop by hop as in the aid.

    The model is loaded once a process. Raises `HearsimError` for a network whose output was not finite: an experiment
    stops at it; and for a user's network with another checksum than `sha256`, unless that is "".
    """
    separator = _separator(model)
    hop = separator.hop
    if sha256 and is_own(model) and separator.identity().sha256 != sha256:
        raise HearsimError(f"{model} has other weights each time it is made: seed them, or load them from a file")
    stems = separator.prepare(Format(song.rate, 2, hop)).stems
    frames = hop + song.frames + RING_OUT
    hops = math.ceil(frames / hop)
    padded = np.pad(song.samples, ((0, 0), (0, hops * hop - song.frames)))
    estimates = np.empty((len(stems), *padded.shape), np.float32)
    for start in range(0, padded.shape[1], hop):
        part = slice(start, start + hop)
        estimates[..., part] = separator.process(padded[:, part])
    if separator.non_finite_blocks:
        raise HearsimError(f"{model} gave NaN or Inf in {separator.non_finite_blocks} hops of the song")
    return estimates[..., :frames].copy()


@lru_cache(maxsize=4)
def _separator(model: str) -> Separator:
    return Separator(model)
