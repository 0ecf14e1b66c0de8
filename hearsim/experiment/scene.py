"""One listener, one song, one aid: what is heard of it, and what it is compared with. All sounds are made when asked for.

song -- remix of the stems found -- aid (delay, compensation, limit) -- ear (vent, hearing loss) -- heard
                                                                     target: the same with the true stems

The aid is that of `hearsim render`, with a delay in the place of its separator: stems are separated once for all cells
that share them, and mixed before the aid by the aid's own remix. What is heard is the same, bit for bit (see the tests).
"""

import math
from functools import cached_property

import numpy as np

from hearsim.audio import Audio, Format
from hearsim.hearing_aid import Ear, hearing_aid, unaided
from hearsim.listener import STEMS, Profile
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.output import MpoLimiter
from hearsim.processor import Chain, Delay, render, walk
from hearsim.remix import Remix
from hearsim.units import FloatArray


class Scene:
    """What a listener hears of a song.

    `profile` says who, how mixed and with which aid (`worn`: whether it is worn at all); `truth` holds the true stems
    (4, 2, frames), `found` those the aid has to do with, `latency` by how many samples they are late.
    """

    def __init__(self, profile: Profile, worn: bool, truth: Audio, found: FloatArray, latency: int) -> None:
        self.profile, self.worn, self.truth, self.found, self.latency = profile, worn, truth, found, latency
        self.song = Audio(truth.samples.sum(axis=0), truth.rate)

    @cached_property
    def heard(self) -> FloatArray:
        """What the listener hears, for normal ears: (2, frames) in full scale of the headphones."""
        if not self.worn:
            return render(unaided(self.profile), self.song, self.profile.aid.block_samples).samples
        return self._through_the_ear(self.remixed)

    @cached_property
    def target(self) -> FloatArray:
        """What the listener would hear if the stems were the true ones."""
        return self._through_the_ear(self.remixed_truly) if self.worn else self.heard

    @cached_property
    def aided(self) -> FloatArray:
        """What the aid plays; without one, silence."""
        if not self.worn:
            return np.zeros_like(self.song.samples)
        return render(self.aid, Audio(self.remixed, self.song.rate), self.profile.aid.block_samples).samples

    @cached_property
    def aid(self) -> Chain:
        """The aid, to be given sound that is remixed already."""
        return hearing_aid(self.profile, separation=Delay(self.latency, "separate + remix"))

    @cached_property
    def remixed(self) -> FloatArray:
        """The song with the stems found brought forward or back."""
        return self._mix(self.found)

    @cached_property
    def remixed_truly(self) -> FloatArray:
        """The song with the true stems brought forward or back."""
        return self._mix(self.truth.samples)

    @cached_property
    def speech(self) -> StoiMeter:
        """The judge of the vocals in what is heard."""
        meter = StoiMeter(self.truth.rate, ("heard",))
        meter.add_reference(self.truth.samples[STEMS.index("vocals")])
        meter.add("heard", self.heard)
        meter.finish()
        return meter

    @property
    def limiter(self) -> MpoLimiter:
        """The limiter of the aid."""
        return next(stage for stage in walk(self.aid) if isinstance(stage, MpoLimiter))

    def heard_pa(self) -> FloatArray:
        """Return what is heard in pascals."""
        return self.heard * np.float32(self.profile.rig.headphones.pascal_per_unit)

    def target_pa(self) -> FloatArray:
        """Return the target in pascals."""
        return self.target * np.float32(self.profile.rig.headphones.pascal_per_unit)

    def song_pa(self) -> FloatArray:
        """Return the song as it comes in, in pascals: what normal ears hear without an aid."""
        return self.song.samples * np.float32(self.profile.rig.microphone.pascal_per_unit)

    def _mix(self, stems: FloatArray) -> FloatArray:
        remix = Remix({stem: self.profile.mix.gain(stem) for stem in STEMS})
        remix.prepare(Format(self.song.rate, 2, self.song.frames, STEMS))
        mixed: FloatArray = self.song.samples + remix.process(stems)
        return mixed

    def _through_the_ear(self, sound: FloatArray) -> FloatArray:
        block = self.profile.aid.block_samples
        fmt = Format(self.song.rate, 2, block)
        ear = Ear(self.profile)
        self.aid.prepare(fmt)
        ear.prepare(fmt)
        late = ear.latency + (0 if ear.vented else self.aid.latency)
        frames = sound.shape[1]
        total = math.ceil((frames + late) / block) * block
        incoming, remixed, heard = (np.zeros((2, total), np.float32) for _ in range(3))
        incoming[:, :frames], remixed[:, :frames] = self.song.samples, sound
        for start in range(0, total, block):
            part = slice(start, start + block)
            heard[:, part] = ear.process(self.aid.process(remixed[:, part]), incoming[:, part])
        return heard[:, late : late + frames]
