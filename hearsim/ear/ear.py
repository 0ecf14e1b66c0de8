"""The ear after the aid: vent and hearing loss."""

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Format
from hearsim.core.calibration import ToFullScale, ToPascal
from hearsim.core.composites import Chain, Delay, Reblock
from hearsim.core.processor import Processor
from hearsim.core.units import FloatArray
from hearsim.ear.hearing_loss import HOP, HearingLoss
from hearsim.ear.vent import DirectSound, VentLeak
from hearsim.profile.schema import Profile


class Ear:
    """The ear behind the aid: the ear canal, with direct sound through a vent, and the listener's hearing.

    Two inputs, the aid's output and the aid's input, so it is not a Processor. Output in full scale of the
    headphones, for normal-hearing ears. Without a vent `latency` is to be added to the aid's; with one the direct
    sound has no delay, and the aid's sound is later by the live delay (its latency and one block).

    Examples
    --------
    >>> import numpy as np
    >>> ear = Ear(Profile("N3"))
    >>> ear.prepare(Format(44100, 2, 512))
    >>> silence = np.zeros((2, 512), np.float32)
    >>> ear.process(silence, silence).shape
    (2, 512)
    """

    def __init__(self, profile: Profile) -> None:
        check_kind("Ear takes a Profile", profile, Profile, "give hearsim.load_profile(name), or aid.profile")
        vent, rig = profile.aid.vent, profile.rig
        self.vented = vent is not None
        late = [Delay(profile.block_samples), VentLeak(vent.cutoff_hz)] if vent else []
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
        """Latency of the output in samples; see the class."""
        return self._loss.latency

    def process(self, aided: FloatArray, sound: FloatArray) -> FloatArray:
        """Return the heard sound for one block of aided sound and the input block of the same time."""
        pressure = self._aided.process(aided)
        if self.vented:
            pressure = pressure + self._direct.process(sound)
        return self._loss.process(pressure)

    def reset(self) -> None:
        """Return to exactly the state right after `prepare`."""
        for stage in (self._aided, self._direct, self._loss):
            stage.reset()


def unaided(profile: Profile) -> Chain:
    """Return the chain of unaided hearing, for normal-hearing ears: `unaided.wav`."""
    check_kind("unaided takes a Profile", profile, Profile, "give hearsim.load_profile(name), or aid.profile")
    return Chain(ToPascal(profile.rig.microphone), *_loss(profile), name="unaided")


def _loss(profile: Profile) -> list[Processor]:
    return [Reblock(HearingLoss(profile.listener.ears), HOP), ToFullScale(profile.rig.headphones)]
