"""One listener, one song, one aid: the heard sound and its references.

song -- remix of the estimated stems -- aid (delay, compensation, limit) -- ear (vent, hearing loss) -- heard
                                                                          target: the same with the true stems

The aid of a condition is that of `hearsim render`, but for its separator: stems are separated once for all cells of an
experiment that share them, and mixed before the aid by its own remix, with their latency. The sound is the same,
bit for bit (see the tests).
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from hearsim.aid.remix import Remix
from hearsim.core.audio import Audio, Format
from hearsim.core.errors import HearsimError
from hearsim.core.processor import render
from hearsim.core.units import FloatArray
from hearsim.ear.ear import unaided
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.sii import threshold_noise
from hearsim.profile.schema import STEMS, Mix, Profile
from hearsim.simulation.engine import AIDED, HEARD, Collector, Engine, blocks_of


class Rendered(NamedTuple):
    """A song behind aid and ear: both sounds (2, frames), limiter events, latency after the remix."""

    aided: FloatArray
    heard: FloatArray
    mpo_events: int
    latency: int


def remix_song(
    song: Audio, stems: FloatArray, mix: Mix, lead: int = 0, latency: int = 0, names: tuple[str, ...] = STEMS
) -> FloatArray:
    """Return a song (2, frames) remixed as in the aid, `latency` samples late; it begins at `lead` of the stems.

    Raises `FormatError` where a stem of the mix is not one of the `names` of the stems (stems, 2, n).
    """
    stage = Remix({stem: mix.gain(stem) for stem in STEMS})
    stage.prepare(Format(song.rate, 2, stems.shape[-1], names))
    start = latency - lead
    mixed = np.zeros((2, start + stems.shape[-1]), np.float32)
    mixed[:, latency : latency + song.frames] = song.samples
    mixed[:, start:] += stage.process(stems)
    return mixed


class ListeningCondition:
    """A listener, a song with true and estimated stems, and an aid; sounds are computed on first use.

    Parameters
    ----------
    profile
        The listener, the mix and the aid.
    is_aided
        Whether the listener wears the aid.
    true_stems
        Audio (4, 2, frames); None allows only measures without true stems.
    estimated_stems
        The stems (4, 2, n) that the aid remixes; the song begins `lead` samples after them and may end before them.
    lead
        Samples of `estimated_stems` before the song begins.
    latency
        Latency of those stems in the aid in samples, `lead` at least.
    song
        The mixture (2, frames); default: the sum of the true stems.
    rendered
        Aided and heard sound, if rendered already.
    """

    def __init__(
        self,
        profile: Profile,
        is_aided: bool,
        true_stems: Audio | None,
        estimated_stems: FloatArray,
        lead: int,
        latency: int,
        song: Audio | None = None,
        rendered: Rendered | None = None,
    ) -> None:
        self.profile, self.is_aided, self.latency = profile, is_aided, latency
        self._true_stems, self._estimated, self._lead = true_stems, estimated_stems, lead
        self.song = song or Audio(self.true_stems.samples.sum(axis=0), self.true_stems.rate)
        if rendered is not None:
            self._rendered = rendered  # sets the cached property

    @property
    def true_stems(self) -> Audio:
        """The true stems (4, 2, frames); raises `HearsimError` without them."""
        if self._true_stems is None:
            raise HearsimError("there are no true stems to compare with: give stems, a folder or Audio (4, 2, frames)")
        return self._true_stems

    @property
    def estimated_stems(self) -> FloatArray:
        """The stems (4, 2, frames) that the aid remixes, aligned with the song."""
        return self._estimated[..., self._lead : self._lead + self.song.frames]

    @cached_property
    def heard(self) -> FloatArray:
        """The sound heard by the listener, for normal ears: (2, frames) in full scale of the headphones."""
        if not self.is_aided:
            return render(unaided(self.profile), self.song, self.profile.block_samples).samples
        return self._rendered.heard

    @property
    def aided(self) -> FloatArray:
        """The aid's output (2, frames); silence without an aid."""
        return self._rendered.aided if self.is_aided else np.zeros_like(self.song.samples)

    @property
    def mpo_events(self) -> int:
        """Number of limiter events of both ears."""
        return self._rendered.mpo_events if self.is_aided else 0

    @property
    def live_delay(self) -> int:
        """Samples from microphone to ear, the input block included; 0 without an aid."""
        return self.latency + self._rendered.latency + self.profile.block_samples if self.is_aided else 0

    @cached_property
    def target(self) -> FloatArray:
        """The heard sound with the true stems instead of the estimated ones: (2, frames)."""
        if not self.is_aided or np.array_equal(self.remix, self.reference_remix):
            return self.heard
        return self._render(self.reference_remix).heard

    @cached_property
    def remix(self) -> FloatArray:
        """The song remixed with the estimated stems, with their latency: (2, latency + frames + some)."""
        return self._mix(self._estimated)

    @cached_property
    def reference_remix(self) -> FloatArray:
        """The song remixed with the true stems, with the same latency."""
        after = self._estimated.shape[-1] - self._lead - self.song.frames
        return self._mix(np.pad(self.true_stems.samples, ((0, 0), (0, 0), (self._lead, after))))

    @cached_property
    def speech(self) -> StoiMeter:
        """The intelligibility of the vocals in the heard sound, with and without inaudible parts."""
        meter = StoiMeter(self.true_stems.rate, ("heard", "audible"))
        meter.add_reference(self.true_stems.samples[STEMS.index("vocals")])
        meter.add("heard", self.heard)
        meter.add("audible", self.heard_pa() + threshold_noise(*self.heard.shape, self.true_stems.rate))
        meter.finish()
        return meter

    def heard_pa(self) -> FloatArray:
        """Return `heard` in pascals."""
        return self.heard * np.float32(self.profile.rig.headphones.pascal_per_unit)

    def target_pa(self) -> FloatArray:
        """Return `target` in pascals."""
        return self.target * np.float32(self.profile.rig.headphones.pascal_per_unit)

    def song_pa(self) -> FloatArray:
        """Return the song at the input in pascals, the sound for normal ears without an aid."""
        return self.song.samples * np.float32(self.profile.rig.microphone.pascal_per_unit)

    def _mix(self, stems: FloatArray) -> FloatArray:
        return remix_song(self.song, stems, self.profile.mix, self._lead, self.latency)

    @cached_property
    def _rendered(self) -> Rendered:
        return self._render(self.remix)

    def _render(self, remix: FloatArray) -> Rendered:
        """Process a remixed song with aid and ear."""
        engine = Engine.after_remix(self.profile, self.song.rate, self.latency)
        frames, block = self.song.frames, engine.format.block
        sinks = {name: Collector(2, frames) for name in (AIDED, HEARD)}
        engine.run(
            blocks_of(self.song.samples, block),
            frames,
            {name: one.add for name, one in sinks.items()},
            remixed=blocks_of(remix, block),
        )
        return Rendered(sinks[AIDED].samples, sinks[HEARD].samples, sum(engine.mpo_events), engine.aid.latency)
