"""The hearing aid, as the picture in the README.

file / room / device
  |  full scale
  +------------------- delay (match) --------------------+
  +-- Reblock[ Separator ] -- stems -- Remix (g_k - 1) --+-- sum -- ToPascal -- Compensation -- MpoLimiter -- ear
                                                                    dB SPL:  audiogram, WDRC    MPO
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from hearsim.aid.compensation import compensation
from hearsim.aid.device import HearingAid, plugin_stage
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.remix import Remix
from hearsim.aid.separator import Separator
from hearsim.core.arguments import check_kind
from hearsim.core.calibration import ToFullScale, ToPascal
from hearsim.core.composites import Bypass, Chain, Delay, Parallel, Reblock
from hearsim.core.processor import Processor
from hearsim.core.validation import check_names
from hearsim.profile.load import load_profile
from hearsim.profile.schema import STEMS, Profile

Part = Literal["separation", "compensation", "limit"]


def hearing_aid(
    profile: Profile | str | Path, bypass: Collection[Part] = (), separation: Processor | None = None
) -> HearingAid:
    """Return the aid of a profile, from full scale at the microphone to full scale at the headphones.

    Parameters
    ----------
    profile
        Listener, mix, aid and rig; or a profile's name or path, as `load_profile` takes it.
    bypass
        The bypassed parts, whose latency remains: "separation", "compensation", "limit".
    separation
        A stage that replaces separator and remix, for a remixed input.

    Raises
    ------
    HearsimError
        For a part that the aid does not have, and a profile that does not exist.

    Examples
    --------
    >>> aid = hearing_aid("flat", bypass={"compensation"})
    >>> [stage.name for stage in aid.stages]
    ['separate + remix', 'ToPascal', 'Compensation (bypassed)', 'MPO limiter', 'ToFullScale']
    """
    if isinstance(profile, str | Path):
        profile = load_profile(profile)
    cure = "give hearsim.load_profile(name), or hearsim.Profile(listener)"
    check_kind("hearing_aid takes a Profile", profile, Profile, cure)
    stages: dict[Part, Processor] = {
        "separation": separation or separate_and_remix(profile),
        "compensation": compensation(profile),
        "limit": MpoLimiter(profile.mpo_db_spl),
    }
    bypassed = check_names("bypass", bypass, list(stages))
    chosen = {part: Bypass(stage) if part in bypassed else stage for part, stage in stages.items()}
    return HearingAid(
        profile,
        chosen["separation"],
        ToPascal(profile.rig.microphone),
        chosen["compensation"],
        *(plugin_stage(name, profile) for name in profile.aid.stages),
        chosen["limit"],
        ToFullScale(profile.rig.headphones),
    )


def separate_and_remix(profile: Profile) -> Parallel:
    """Return the stage that separates and remixes, or a delay with the same latency."""
    separator = Separator(profile.model)
    return Parallel(
        Delay(0),
        Chain(Reblock(separator, separator.hop), Remix({stem: profile.mix.gain(stem) for stem in STEMS})),
        name="separate + remix",
    )
