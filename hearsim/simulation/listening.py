"""One listener, one song, one aid: the heard sound, and the sounds that it is compared with.

`listen` runs a song through an aid and an ear for a user of Python. `ListeningCondition` does it for an experiment:

song -- remix of the estimated stems -- aid (delay, compensation, limit) -- ear (vent, hearing loss) -- heard
                                                                          target: the same with the true stems

The aid of a condition is that of `hearsim render`, but for its separator: stems are separated once for all cells that
share them, and mixed before the aid by the aid's own remix, as late as they are. The sound is the same, bit for bit
(see the tests).
"""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hearsim.aid.remix import Remix
from hearsim.core.audio import Audio, Format, check_kind
from hearsim.core.audio_files import Source, open_source
from hearsim.core.composites import Chain
from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyLedger
from hearsim.core.processor import latency_ledger, render
from hearsim.core.units import FloatArray
from hearsim.core.validation import nearest
from hearsim.ear.ear import unaided
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.sii import threshold_noise
from hearsim.music.songs import open_stems
from hearsim.profile.load import load_profile
from hearsim.profile.schema import STEMS, Profile
from hearsim.simulation.engine import AIDED, HEARD, UNAIDED, Collector, Engine, blocks_of
from hearsim.simulation.stems_fit import StemsFit


class Rendered(NamedTuple):
    """A song behind aid and ear: both sounds (2, frames), how often the limiter stepped in, latency after the remix."""

    aided: FloatArray
    heard: FloatArray
    mpo_events: int
    latency: int


class ListeningCondition:
    """A listener, a song with its true stems, an aid and the stems that it has; sounds are computed when asked for.

    Parameters
    ----------
    profile
        The listener, the mix and the aid.
    is_aided
        Whether the aid is worn at all.
    true_stems
        Audio (4, 2, frames); None where there are none: then only measures that need none can be computed.
    estimated_stems
        The stems (4, 2, n) that the aid remixes; the song begins `lead` samples after them and may end before them.
    lead
        Samples of `estimated_stems` before the song begins.
    latency
        Samples by which those stems are late in the aid, `lead` at least.
    song
        The mixture (2, frames), the sum of the true stems without it.
    rendered
        Aided and heard sound, where they are known already.
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
            self._rendered = rendered  # a cached property is not computed where it is set

    @property
    def true_stems(self) -> Audio:
        """The true stems (4, 2, frames); raises `HearsimError` where there are none."""
        if self._true_stems is None:
            raise HearsimError("there are no true stems to compare with: give stems, a folder or Audio (4, 2, frames)")
        return self._true_stems

    @property
    def estimated_stems(self) -> FloatArray:
        """The stems (4, 2, frames) that the aid remixes, aligned with the song."""
        return self._estimated[..., self._lead : self._lead + self.song.frames]

    @cached_property
    def heard(self) -> FloatArray:
        """The sound as the listener hears it, for normal ears: (2, frames) in full scale of the headphones."""
        if not self.is_aided:
            return render(unaided(self.profile), self.song, self.profile.block_samples).samples
        return self._rendered.heard

    @property
    def aided(self) -> FloatArray:
        """The aid's output (2, frames); silence without an aid."""
        return self._rendered.aided if self.is_aided else np.zeros_like(self.song.samples)

    @property
    def mpo_events(self) -> int:
        """How often the limiter stepped in, both ears together."""
        return self._rendered.mpo_events if self.is_aided else 0

    @property
    def live_delay(self) -> int:
        """Samples from microphone to ear, the input block included; 0 without an aid."""
        return self.latency + self._rendered.latency + self.profile.block_samples if self.is_aided else 0

    @cached_property
    def target(self) -> FloatArray:
        """The sound that the listener would hear if the stems were the true ones: (2, frames)."""
        if not self.is_aided or np.array_equal(self.remix, self.reference_remix):
            return self.heard
        return self._render(self.reference_remix).heard

    @cached_property
    def remix(self) -> FloatArray:
        """The song remixed with the estimated stems, as late as they are: (2, latency + frames + some)."""
        return self._mix(self._estimated)

    @cached_property
    def reference_remix(self) -> FloatArray:
        """The song remixed with the true stems, as late."""
        after = self._estimated.shape[-1] - self._lead - self.song.frames
        return self._mix(np.pad(self.true_stems.samples, ((0, 0), (0, 0), (self._lead, after))))

    @cached_property
    def speech(self) -> StoiMeter:
        """The intelligibility of the vocals in the sound that is heard, as it is and as far as it is audible."""
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
        """Return the song as it comes in, in pascals: as normal ears hear it without an aid."""
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
    def _rendered(self) -> Rendered:
        return self._render(self.remix)

    def _render(self, remix: FloatArray) -> Rendered:
        """Send a song that is remixed already through aid and ear."""
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


_FIT_BLOCK = 65536
_SHORT_NAMES = {"stoi": "stoi_vocals", "estoi": "estoi_vocals"}


class Result:
    """A song as a listener hears it with an aid and without; made by `listen`.

    In a notebook it shows as a player for each sound, a table of measures and the latency ledger.

    Attributes
    ----------
    profile
        The listener, the mix, the aid and the rig.
    song
        The song that came in, `Audio` (2, frames), full scale at the microphone.
    aided, heard, unaided
        The aid's output; that as the listener hears it; and the song as the listener hears it without the aid:
        `Audio` (2, frames), full scale of the headphones, aligned with the song. The last two are for normal ears.
    stems
        The stems that the aid's separator has estimated and its remix has used: `Audio` (4, 2, frames).
    ledger
        The aid's latency, row by row.
    mpo_events
        How often the limiter stepped in, both ears together.

    Examples
    --------
    >>> import hearsim
    >>> stems = hearsim.demo_song(3.0)
    >>> result = listen(hearsim.Profile("N3", mix={"vocals": 6}), hearsim.mixture(stems), stems)
    >>> result.heard
    <Audio: 2 channels, 3.000 s at 44100 Hz>
    >>> 0 < result.score("stoi") < 1
    True
    """

    def __init__(
        self,
        profile: Profile,
        song: Audio,
        sounds: dict[str, Audio],
        stems: Audio,
        ledger: LatencyLedger,
        condition: ListeningCondition,
    ) -> None:
        self.profile, self.song, self.stems, self.ledger = profile, song, stems, ledger
        self.aided, self.heard, self.unaided = sounds[AIDED], sounds[HEARD], sounds[UNAIDED]
        self.mpo_events = condition.mpo_events
        self._condition = condition

    def score(self, name: str) -> float:
        """Return a measure by name, those of `hearsim experiment`; "stoi" and "estoi" are those of the vocals.

        Raises `HearsimError` for a name that is not known, and where a measure needs true stems and there are none.
        """
        from hearsim.metrics.registry import compute, heard_names

        check_kind("score takes a measure's name", name, str, 'give "stoi", say')
        known = [*_SHORT_NAMES, *heard_names()]
        if name not in known:
            near = nearest(name, known) or f"there are {', '.join(known)}"
            raise HearsimError(f"no metric of what is heard is called {name!r}: {near}")
        return compute(_SHORT_NAMES.get(name, name), self._condition)

    def _repr_html_(self) -> str:
        """Return measures, players and ledger for a notebook."""
        from hearsim.simulation.notebook import result_html

        return result_html(self)

    def __repr__(self) -> str:
        """Return listener, mix, length and delay in one line."""
        profile = self.profile
        return (
            f"<Result: listener {profile.listener.name}, mix {profile.mix.name}, aid {profile.aid.name}, "
            f"{self.song.seconds:.2f} s, {self.ledger.total_ms:.1f} ms live delay>"
        )


def listen(
    aid: Chain | Profile | str | Path, song: Audio | str | Path, stems: Audio | str | Path | None = None
) -> Result:
    """Return a song as a listener hears it, with the aid and without.

    Parameters
    ----------
    aid
        `hearsim.hearing_aid(profile)`, or the profile, or its name or path.
    song
        Audio (1 or 2, frames) at 44.1 kHz, or a music file.
    stems
        The true stems, for the measures that need them: Audio (4, 2, frames) in the order vocals, drums, bass, other,
        or the folder of their files.

    Raises
    ------
    HearsimError
        For a song that can't be read, stems that don't belong to it, or an aid that knows no listener.

    Examples
    --------
    >>> import hearsim
    >>> song = hearsim.demo_song(3.0)
    >>> result = listen("flat", Audio(song.samples.sum(axis=0), song.rate), song)
    >>> result.stems.samples.shape
    (4, 2, 132300)
    >>> round(result.score("remix_csdr_db"))  # no stem is louder or softer: the song itself
    100
    """
    if isinstance(aid, str | Path):
        aid = load_profile(aid)
    profile = aid if isinstance(aid, Profile) else getattr(aid, "profile", None)
    if not isinstance(profile, Profile):
        raise HearsimError(
            "listen needs an aid that knows its listener: give hearsim.hearing_aid(profile), or a profile"
        )
    sound, truth = _inputs(song, stems)
    engine = Engine(profile, sound.rate, aid if isinstance(aid, Chain) else None)
    frames = sound.frames
    sinks = {name: Collector(2, frames) for name in (AIDED, HEARD, UNAIDED)}
    estimates = Collector(len(STEMS), 2, engine.frames_in(frames))
    engine.run(
        blocks_of(sound.samples, engine.format.block),
        frames,
        {name: one.add for name, one in sinks.items()},
        lambda mixture, hop: estimates.add(hop),
    )
    sounds = {name: Audio(one.samples, sound.rate) for name, one in sinks.items()}
    lead, late = engine.stem_latency, engine.separation_latency
    rendered = Rendered(sinks[AIDED].samples, sinks[HEARD].samples, sum(engine.mpo_events), engine.aid.latency - late)
    condition = ListeningCondition(profile, True, truth, estimates.samples, lead, late, sound, rendered)
    estimated_stems = Audio(np.ascontiguousarray(condition.estimated_stems), sound.rate)
    return Result(profile, sound, sounds, estimated_stems, latency_ledger(engine.aid, engine.format), condition)


def _inputs(song: Audio | str | Path, stems: Audio | str | Path | None) -> tuple[Audio, Audio | None]:
    """Return the song in stereo and its true stems, if there are any."""
    cure = "make an Audio with Audio.from_array(array, rate)"
    check_kind("listen takes an Audio or a path", song, (Audio, str, Path), cure)
    if stems is not None:
        check_kind("listen: stems must be an Audio or a folder", stems, (Audio, str, Path), cure)
    source: Source | None = None
    if isinstance(song, Audio):
        sound = song
    else:
        source = open_source(song)
        sound = source.read()
    if sound.samples.ndim != 2 or sound.channels not in (1, 2):
        raise HearsimError(f"the song has the shape {sound.samples.shape}: give a mixture (1 or 2 channels, frames)")
    if sound.channels == 1:
        sound = Audio(np.repeat(sound.samples, 2, axis=0), sound.rate)
    if stems is None:
        return sound, None
    if isinstance(stems, Audio):
        if stems.samples.shape != (len(STEMS), *sound.samples.shape) or stems.rate != sound.rate:
            raise HearsimError(
                f"the true stems have the shape {stems.samples.shape} at {stems.rate} Hz, and the song needs "
                f"{(len(STEMS), *sound.samples.shape)} at {sound.rate} Hz"
            )
        _warn_of_other_stems(stems.samples, sound.samples, "the true stems", "the song")
        return sound, stems
    if source is None:
        raise HearsimError(f"stems = {str(stems)!r} is a folder, and the song is no file: give the stems as Audio, too")
    sources = open_stems(Path(stems), source)
    silent = np.zeros_like(sound.samples)
    truth = np.stack([sources[n].read().samples if n in sources else silent for n in STEMS])
    if len(sources) == len(STEMS):
        _warn_of_other_stems(truth, sound.samples, f"the stems in {stems}", str(song))
    return sound, Audio(truth, sound.rate)


def _warn_of_other_stems(truth: FloatArray, song: FloatArray, stems_name: str, song_name: str) -> None:
    """Warn of true stems (4, 2, frames) that do not sum to the song (2, frames)."""
    fit = StemsFit(len(STEMS))
    for start in range(0, song.shape[-1], _FIT_BLOCK):
        part = slice(start, start + _FIT_BLOCK)
        fit.add(truth[..., part], song[:, part])
    fit.warn(stems_name, song_name)
