"""One listener, one song, one aid: what is heard of it, and what it is compared with. Sounds are made when asked for.

song -- remix of the stems found -- aid (delay, compensation, limit) -- ear (vent, hearing loss) -- heard
                                                                     target: the same with the true stems

The aid is that of `hearsim render`, but for its separator: stems are separated once for all cells that share them,
and mixed before the aid by the aid's own remix, as late as they are. What is heard is the same, bit for bit (see the
tests).
"""

import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.remix import Remix
from hearsim.core.audio import Audio, Format
from hearsim.core.composites import Delay
from hearsim.core.processor import find, render
from hearsim.core.units import FloatArray
from hearsim.ear.ear import Ear, unaided
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.sii import threshold_noise
from hearsim.profile.schema import STEMS, Profile


class Scene:
    """What a listener hears of a song.

    `profile` says who, how mixed and with which aid (`worn`: whether it is worn at all); `truth` holds the true stems
    (4, 2, frames). `found` are the stems that the aid has to do with (4, 2, n): the song begins `lead` samples after
    them and may end before them; `latency` says by how many samples they are late in the aid, the lead at least.
    """

    def __init__(self, profile: Profile, worn: bool, truth: Audio, found: FloatArray, lead: int, latency: int) -> None:
        self.profile, self.worn, self.truth, self.latency = profile, worn, truth, latency
        self.song = Audio(truth.samples.sum(axis=0), truth.rate)
        self._found, self._lead = found, lead

    @property
    def found(self) -> FloatArray:
        """The stems (4, 2, frames) that the aid has to do with, aligned with the song."""
        return self._found[..., self._lead : self._lead + self.song.frames]

    @cached_property
    def heard(self) -> FloatArray:
        """What the listener hears, for normal ears: (2, frames) in full scale of the headphones."""
        if not self.worn:
            return render(unaided(self.profile), self.song, self.profile.aid.block_samples).samples
        return self._worn[0]

    @property
    def limited(self) -> int:
        """How often the limiter stepped in, both ears together."""
        return self._worn[2] if self.worn else 0

    @cached_property
    def target(self) -> FloatArray:
        """What the listener would hear if the stems were the true ones."""
        if not self.worn or np.array_equal(self.remixed, self.remixed_truly):
            return self.heard
        return self._through_the_ear(self.remixed_truly)[0]

    @cached_property
    def aided(self) -> FloatArray:
        """What the aid plays; without one, silence."""
        return self._worn[1] if self.worn else np.zeros_like(self.song.samples)

    @cached_property
    def remixed(self) -> FloatArray:
        """The song with the stems found brought forward or back, as late as they are: (2, latency + frames + some)."""
        return self._mix(self._found)

    @cached_property
    def remixed_truly(self) -> FloatArray:
        """The song with the true stems brought forward or back, as late."""
        after = self._found.shape[-1] - self._lead - self.song.frames
        return self._mix(np.pad(self.truth.samples, ((0, 0), (0, 0), (self._lead, after))))

    @property
    def delay(self) -> int:
        """Samples from microphone to ear, the input block included; none without an aid."""
        block = self.profile.aid.block_samples
        return self.latency + self._worn[3] + block if self.worn else 0

    @cached_property
    def speech(self) -> StoiMeter:
        """The judge of the vocals in what is heard, as it is and as far as it is audible."""
        meter = StoiMeter(self.truth.rate, ("heard", "audible"))
        meter.add_reference(self.truth.samples[STEMS.index("vocals")])
        meter.add("heard", self.heard)
        meter.add("audible", self.heard_pa() + threshold_noise(*self.heard.shape, self.truth.rate))
        meter.finish()
        return meter

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
        remix.prepare(Format(self.song.rate, 2, stems.shape[-1], STEMS))
        start = self.latency - self._lead
        mixed = np.zeros((2, start + stems.shape[-1]), np.float32)
        mixed[:, self.latency : self.latency + self.song.frames] = self.song.samples
        mixed[:, start:] += remix.process(stems)
        return mixed

    @cached_property
    def _worn(self) -> tuple[FloatArray, FloatArray, int, int]:
        return self._through_the_ear(self.remixed)

    def _through_the_ear(self, mixed: FloatArray) -> tuple[FloatArray, FloatArray, int, int]:
        """Send a song that is remixed already through aid and ear.

        Returns what is heard and what the aid plays, how often its limiter stepped in, and its latency in samples.
        """
        block = self.profile.aid.block_samples
        fmt = Format(self.song.rate, 2, block)
        aid, ear = hearing_aid(self.profile, separation=Delay(0)), Ear(self.profile)
        aid.prepare(replace(fmt, late=self.latency))
        ear.prepare(fmt)
        late = self.latency + aid.latency
        ears = ear.latency + (0 if ear.vented else late)
        frames = self.song.frames
        total = math.ceil((frames + max(late, ears)) / block) * block
        incoming, remixed, aided, heard = (np.zeros((2, total), np.float32) for _ in range(4))
        incoming[:, :frames], remixed[:, : mixed.shape[1]] = self.song.samples, mixed[:, :total]
        for start in range(0, total, block):
            part = slice(start, start + block)
            aided[:, part] = aid.process(remixed[:, part])
            heard[:, part] = ear.process(aided[:, part], incoming[:, part])
        played = aided[:, late : late + frames]
        return heard[:, ears : ears + frames], played, sum(find(aid, MpoLimiter).events), aid.latency
