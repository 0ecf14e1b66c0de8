"""The aid as an object: a chain with its profile, callable on arrays."""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hearsim.core.arguments import check_array, check_kind
from hearsim.core.audio import Audio, Format
from hearsim.core.audio_files import AID_RATE_HZ
from hearsim.core.composites import Chain, Parallel, Reblock
from hearsim.core.errors import HearsimError
from hearsim.core.files import model_hop
from hearsim.core.latency import LatencyEntry
from hearsim.core.plugins import load_plugin
from hearsim.core.processor import Processor, render
from hearsim.core.units import samples_to_ms
from hearsim.profile.schema import Profile

Float = TypeVar("Float", np.float32, np.float64)


def plugin_stage(name: str, profile: Profile) -> Processor:
    """Return the stage that a plug-in under hearsim.stages makes for a profile; raises `HearsimError` for others."""
    stage: object = load_plugin("hearsim.stages", name)(profile)
    check_kind(f"the plug-in {name!r} must return a stage", stage, Processor, "derive it from hearsim.Processor")
    assert isinstance(stage, Processor)
    return stage


class HearingAid(Chain):
    """The aid of a profile; made by `hearsim.hearing_aid`.

    Parameters
    ----------
    profile
        Listener, mix, aid and rig; the attribute `profile`.
    stages
        From full scale at the microphone to full scale at the headphones, in path order.

    Examples
    --------
    An array in, an array out:

    >>> import hearsim
    >>> aid = hearsim.hearing_aid(hearsim.load_profile("flat"), bypass={"separation"})
    >>> x = 0.01 * np.random.default_rng(0).standard_normal((2, 4410))
    >>> aid(x, rate=44100).shape
    (2, 4410)
    """

    def __init__(self, profile: Profile, *stages: Processor) -> None:
        check_kind("HearingAid takes a Profile first", profile, Profile, "make aids with hearsim.hearing_aid(profile)")
        super().__init__(*stages, name=f"aid {profile.name!r}")
        self.profile = profile

    @property
    def default_format(self) -> Format:
        """The format for a description of an aid that is not prepared: stereo, its own rate and block."""
        return Format(AID_RATE_HZ, 2, self.profile.block_samples)

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.channels != 2:
            raise self.refuse(fmt, "it has two ears: repeat a mono song for both, or give its array to the aid, aid(x)")
        return super().prepare(fmt)

    def latency_entries(self) -> tuple[LatencyEntry, ...]:
        """Return the rows of the ledger; where another block has less delay, `Reblock`'s row has the advice."""
        entries = super().latency_entries()
        stages, fmt = _reblocks(self), self.formats[0]

        def delay(block: int) -> int:
            return block + sum(stage.block - math.gcd(stage.block, block) for stage in stages)

        best = min((stage.block for stage in stages), key=delay, default=fmt.block)
        if (excess := delay(fmt.block) - delay(best)) <= 0:
            return entries
        cure = f"prepare it for blocks of {best}"
        if fmt.block == self.profile.aid.block_samples:
            default = " (or leave it out)" if model_hop(self.profile.model) == best else ""
            cure = f"set aid.block_samples = {best}{default}"
        advice = f"{cure}; blocks of {fmt.block} delay {samples_to_ms(excess, fmt.rate):.2f} ms more"
        row = f"Reblock to {best}"
        return tuple(entry._replace(advice=advice) if entry.name == row else entry for entry in entries)

    def __call__(self, x: NDArray[Float], rate: int = AID_RATE_HZ) -> NDArray[Float]:
        """Return the aid's output for an array; the aid is prepared for it.

        Parameters
        ----------
        x : array of float64 or float32, (channels, frames)
            Full scale at the microphone, mono or stereo. One channel goes to both ears.
        rate : int
            Sample rate in Hz. An aid with a separator needs its network's rate, 44100.

        Returns
        -------
        array of the type of `x`, (2, frames)
            Full scale at the headphones, left ear first, aligned with the input. Computed in float32.

        Raises
        ------
        HearsimError
            For arrays of another type or layout (`Audio.from_array` converts), and for other rates (`FormatError`).
        """
        if isinstance(x, Audio):
            raise HearsimError("x must be an array, not Audio: hearsim.render(aid, audio) takes Audio")
        with np.errstate(over="ignore"):  # beyond float32 is infinite: an invalid sample like others
            samples = np.ascontiguousarray(np.broadcast_to(check_array("x", x), (2, x.shape[-1])), np.float32)
        output = render(self, Audio(samples, rate), self.default_format.block).samples
        return output.astype(x.dtype, copy=False)


def _reblocks(stage: Processor) -> list[Reblock]:
    """Return the stages on the ledger's route that run in blocks of their own behind the host's."""
    if isinstance(stage, Reblock):
        return [stage]
    inside = [stage.slowest] if isinstance(stage, Parallel) else stage.inside
    return [reblock for inner in inside for reblock in _reblocks(inner)]
