"""The hearing aid, as the picture in the README:

 file / room / device
   |  full scale
   +------------------- delay (match) --------------------+
   +-- Reblock[ Separator ] -- stems -- Remix (g_k - 1) --+-- sum -- ToPascal -- Compensation -- MpoLimiter -- ear
                                                                     dB SPL:  audiogram, WDRC    MPO
"""

from collections.abc import Set
from typing import Literal

import numpy as np

from hearsim.compensation.prescription import insertion_gain_db
from hearsim.compensation.wdrc import Compensation, WdrcSettings
from hearsim.hearing_loss import HOP, HearingLoss
from hearsim.listener import STEMS, Profile
from hearsim.output import MpoLimiter, ToFullScale, ToPascal
from hearsim.processor import Bypass, Chain, Delay, Parallel, Processor, Reblock
from hearsim.remix import Remix
from hearsim.separation.stage import Separator
from hearsim.vent import DirectSound, VentLeak

Part = Literal["separation", "compensation", "limit"]
NOTHING: frozenset[Part] = frozenset()


def hearing_aid(profile: Profile, bypass: Set[Part] = NOTHING) -> Chain:
    """Return the aid of a profile, from full scale at the microphone to full scale at the headphones.

    `bypass` leaves stages out but keeps their latency.
    """
    return Chain(*_aid_in_pascals(profile, bypass), ToFullScale(profile.rig.headphones), name=f"aid {profile.name!r}")


def ear_canal(profile: Profile) -> Chain:
    """Return what reaches the eardrum in pascals: the aid's sound and, through a vent, the direct sound before it.

    The two are not aligned: the aid's sound arrives later by the live delay (its latency and one block).
    """
    aid = Chain(*_aid_in_pascals(profile, NOTHING))
    if profile.aid.vent is None:
        return aid
    cutoff_hz = profile.aid.vent.cutoff_hz
    direct = Chain(ToPascal(profile.rig.microphone), DirectSound(cutoff_hz))
    late = Chain(aid, Delay(profile.aid.block_samples, "input block"), VentLeak(cutoff_hz))
    return Chain(Parallel(direct, late, align=False, name="ear canal"))


def heard(profile: Profile) -> Chain:
    """Return what the listener hears with the aid, for normal-hearing ears: `heard.wav`."""
    return Chain(*ear_canal(profile).stages, *_loss(profile), name="heard")


def unaided(profile: Profile) -> Chain:
    """Return what the listener hears without the aid, for normal-hearing ears: `unaided.wav`."""
    return Chain(ToPascal(profile.rig.microphone), *_loss(profile), name="unaided")


def _aid_in_pascals(profile: Profile, bypass: Set[Part]) -> list[Processor]:
    separator = Separator(profile.model)
    remix = Parallel(
        Delay(0),
        Chain(Reblock(separator, separator.hop), Remix({stem: profile.mix.gain(stem) for stem in STEMS})),
        name="separate + remix",
    )
    stages: dict[Part, Processor] = {
        "separation": remix,
        "compensation": compensation(profile),
        "limit": MpoLimiter(profile.mpo_db_spl),
    }
    chosen = {part: Bypass(stage) if part in bypass else stage for part, stage in stages.items()}
    return [
        chosen["separation"],
        ToPascal(profile.rig.microphone),
        chosen["compensation"],
        chosen["limit"],
    ]


def compensation(profile: Profile) -> Compensation:
    """Return the compensation stage of a profile: each ear fitted to its own audiogram."""
    chosen = profile.aid.compression
    wdrc = chosen and WdrcSettings(chosen.ratio, chosen.knee_db_spl, chosen.attack_ms, chosen.release_ms)
    gains = np.stack([insertion_gain_db(profile.aid.rule, ear.at) for ear in profile.listener.ears])
    return Compensation(gains, wdrc)


def _loss(profile: Profile) -> list[Processor]:
    return [Reblock(HearingLoss(profile.listener.ears), HOP), ToFullScale(profile.rig.headphones)]
