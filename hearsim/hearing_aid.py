"""The hearing aid, as the picture in the README.

file / room / device
  |  full scale
  +------------------- delay (match) --------------------+
  +-- Reblock[ Separator ] -- stems -- Remix (g_k - 1) --+-- sum -- ToPascal -- Compensation -- MpoLimiter -- ear
                                                                    dB SPL:  audiogram, WDRC    MPO
"""

from collections.abc import Set
from typing import Literal

import numpy as np

from hearsim.audio import Format
from hearsim.compensation.prescription import insertion_gain_db
from hearsim.compensation.wdrc import Compensation, WdrcSettings
from hearsim.hearing_loss import HOP, HearingLoss
from hearsim.listener import STEMS, Profile
from hearsim.output import MpoLimiter, ToFullScale, ToPascal
from hearsim.processor import Bypass, Chain, Delay, Parallel, Processor, Reblock
from hearsim.remix import Remix
from hearsim.separation.stage import Separator
from hearsim.units import FloatArray
from hearsim.vent import DirectSound, VentLeak

Part = Literal["separation", "compensation", "limit"]
NOTHING: frozenset[Part] = frozenset()


def hearing_aid(profile: Profile, bypass: Set[Part] = NOTHING, separation: Processor | None = None) -> Chain:
    """Return the aid of a profile, from full scale at the microphone to full scale at the headphones.

    `bypass` leaves stages out but keeps their latency. `separation` stands in the place of separator and remix: an
    experiment gives a delay here, and sound that is remixed already.
    """
    stages: dict[Part, Processor] = {
        "separation": separation or separate_and_remix(profile),
        "compensation": compensation(profile),
        "limit": MpoLimiter(profile.mpo_db_spl),
    }
    chosen = {part: Bypass(stage) if part in bypass else stage for part, stage in stages.items()}
    return Chain(
        chosen["separation"],
        ToPascal(profile.rig.microphone),
        chosen["compensation"],
        chosen["limit"],
        ToFullScale(profile.rig.headphones),
        name=f"aid {profile.name!r}",
    )


def separate_and_remix(profile: Profile) -> Parallel:
    """Return the stage that brings stems forward or takes them back, and is as late as the profile's model."""
    separator = Separator(profile.model)
    return Parallel(
        Delay(0),
        Chain(Reblock(separator, separator.hop), Remix({stem: profile.mix.gain(stem) for stem in STEMS})),
        name="separate + remix",
    )


class Ear:
    """What happens after the aid: the ear canal, with direct sound through a vent, and the listener's hearing.

    Two inputs, the aid's output and the sound that the aid heard; so it is no Processor. Output in full scale of the
    headphones, for normal-hearing ears. Without a vent `latency` is to be added to the aid's; with one the direct
    sound is the clock, and the aid's sound arrives later by the live delay (its latency and one block).
    """

    def __init__(self, profile: Profile) -> None:
        vent, rig = profile.aid.vent, profile.rig
        self.vented = vent is not None
        late = [Delay(profile.aid.block_samples), VentLeak(vent.cutoff_hz)] if vent else []
        self._aided = Chain(ToPascal(rig.headphones), *late)
        self._direct = Chain(ToPascal(rig.microphone), *([DirectSound(vent.cutoff_hz)] if vent else []))
        self._loss = Chain(*_loss(profile))

    def prepare(self, fmt: Format) -> None:
        """Prepare for the format of the aid's input and output, full scale."""
        canal = self._aided.prepare(fmt)
        self._direct.prepare(fmt)
        self._loss.prepare(canal)

    @property
    def latency(self) -> int:
        """Samples by which the output is late; see the class."""
        return self._loss.latency

    def process(self, aided: FloatArray, sound: FloatArray) -> FloatArray:
        """Return what is heard of one block of aided sound and the block of sound that came in with it."""
        pressure = self._aided.process(aided)
        if self.vented:
            pressure = pressure + self._direct.process(sound)
        return self._loss.process(pressure)

    def reset(self) -> None:
        """Return to exactly the state right after `prepare`."""
        for stage in (self._aided, self._direct, self._loss):
            stage.reset()


def unaided(profile: Profile) -> Chain:
    """Return what the listener hears without the aid, for normal-hearing ears: `unaided.wav`."""
    return Chain(ToPascal(profile.rig.microphone), *_loss(profile), name="unaided")


def compensation(profile: Profile) -> Compensation:
    """Return the compensation stage of a profile: each ear fitted to its own audiogram."""
    chosen = profile.aid.compression
    wdrc = WdrcSettings(**chosen.model_dump()) if chosen else None
    gains = np.stack([insertion_gain_db(profile.aid.rule, ear.at) for ear in profile.listener.ears])
    return Compensation(gains, wdrc)


def _loss(profile: Profile) -> list[Processor]:
    return [Reblock(HearingLoss(profile.listener.ears), HOP), ToFullScale(profile.rig.headphones)]
