"""`listen`: a song with and without an aid for a listener, with its measures, in Python."""

from functools import cached_property
from pathlib import Path

import numpy as np

from hearsim.core.arguments import check_kind
from hearsim.core.audio import Audio
from hearsim.core.composites import Chain
from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyLedger
from hearsim.core.processor import latency_ledger
from hearsim.core.validation import nearest
from hearsim.metrics.pair import Pair
from hearsim.profile.load import load_profile
from hearsim.profile.schema import STEMS, Profile
from hearsim.simulation.condition import ListeningCondition, Rendered
from hearsim.simulation.engine import AIDED, HEARD, UNAIDED, Collector, Engine, blocks_of
from hearsim.simulation.true_stems import read_song


class Result:
    """A song as a listener hears it with an aid and without; made by `listen`.

    In a notebook it shows as a player for each sound, a table of measures and the latency ledger.

    Attributes
    ----------
    profile
        The listener, the mix, the aid and the rig.
    song
        The input song, `Audio` (2, frames), full scale at the microphone.
    aided, heard, unaided
        The aid's output; that as the listener hears it; and the song as the listener hears it without the aid:
        `Audio` (2, frames), full scale of the headphones, aligned with the song. The last two are for normal ears.
    stems
        The stems that the aid's separator has estimated and its remix has used: `Audio` (4, 2, frames).
    ledger
        The aid's latency, row by row.
    mpo_events
        Number of limiter events of both ears.

    Examples
    --------
    >>> import hearsim
    >>> stems = hearsim.demo_song(3.0)
    >>> result = listen(hearsim.Profile("N3", mix={"vocals": 6}), hearsim.mixture(stems), stems)
    >>> result.heard
    <Audio: 2 channels, 3.000 s at 44100 Hz>
    >>> 0 < result.score("stoi_vocals") < result.score("stoi") < 1  # against the true vocals, and against the song
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
        """Return a measure of the heard sound by name.

        The names are those of `hearsim experiment` ("stoi_vocals" is against the true vocals), and those of `hearsim
        score` ("stoi"), here with the input song as the reference, which needs no stems.

        Raises `HearsimError` for an unknown name, for a measure of a report alone, and for one that needs missing true
        stems.
        """
        from hearsim.metrics.registry import compute, compute_pair, heard_names, names, pair_names

        check_kind("score takes a measure's name", name, str, 'give "stoi", for example')
        heard, pair = heard_names(), pair_names("reference")
        if name not in heard and name in pair:
            return compute_pair(name, self._pair)
        if name not in names():
            near = nearest(name, [*heard, *pair]) or f"there are {', '.join(dict.fromkeys([*heard, *pair]))}"
            raise HearsimError(f"no metric of the heard sound is called {name!r}: {near}")
        return compute(name, self._condition)

    @cached_property
    def _pair(self) -> Pair:
        """The heard sound and the song, its reference."""
        pair = Pair(self.song.rate, lambda: (self.song.samples, self.heard.samples))
        pair.add(self.song.samples, self.heard.samples)
        pair.finish()
        return pair

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
    sound, true_stems = read_song(song, stems)
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
    condition = ListeningCondition(profile, True, true_stems, estimates.samples, lead, late, sound, rendered)
    estimated_stems = Audio(np.ascontiguousarray(condition.estimated_stems), sound.rate)
    return Result(profile, sound, sounds, estimated_stems, latency_ledger(engine.aid, engine.format), condition)
