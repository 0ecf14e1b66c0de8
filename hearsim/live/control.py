"""The control block: settings, status and meters of a session, in memory that all its processes share.

Three blocks, each read by any process and written by one (`Controls` by two: see there):

    Controls        the control process and the page's: gains, mute, solo, bypass, level, panic, stop
    WorkerStatus    the worker: its state, load, meters of the stems, limiter
    PlaybackStatus  the audio process, in its callback: position, late blocks, dry signal, meters of the ears
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyEntry
from hearsim.core.units import db_to_gain, gain_to_db
from hearsim.live.events import STEPS, MixerState, Step
from hearsim.live.shared import Arrays, Block, real, text, whole
from hearsim.profile.schema import STEMS, Mix, Profile

LOWEST_DB, HIGHEST_DB = -60.0, 12.0  # a fader's travel
SAFE_LEVEL_DB = -20.0  # under the calibrated level, where a session starts
QUIETEST_DB = -80.0
LARGEST_PROFILE = 20000


class Controls(Block):
    """Settings made by the control process and the page; the last one counts. Methods that set: these two only.

    Each of the two counts its own moves after it has set the values, so a reader of `version` misses none.
    """

    step = whole()
    loss = whole()
    level_db = real()  # of everything, 0 is the calibrated level
    silent = whole()  # 1: faded out
    panic = whole()  # 1: off at once, until released
    stop = whole()  # 1: fade out and end the stream
    go = whole()  # 1: the path is loaded, the stream may begin
    quit = whole()  # 1: the processes end
    can_lose = whole()  # 1: the hearing-loss simulation is part of the path
    cable = whole()  # the device's delay measured through a cable, samples; 0: not measured
    profile_number = whole()  # counts the changes of profile; control process, after the profile itself
    ARRAYS: ClassVar[Arrays] = {
        "gains_db": (np.float64, (len(STEMS),)),
        "muted": (np.int64, (len(STEMS),)),
        "solo": (np.int64, (len(STEMS),)),
        "moves": (np.int64, (2,)),  # of the mixer: by the process that made the block, by the page
        "profiles": (f"S{LARGEST_PROFILE}", (2,)),  # as JSON, each at its number modulo 2
    }

    @property
    def version(self) -> int:
        """Moves of the mixer so far. Any process."""
        return int(self.row["moves"].sum())

    def begin(self, profile: Profile, loss: bool) -> None:
        """Take the profile's mix; silent, at the safe level."""
        self.step, self.can_lose = STEPS.index("aid"), int(loss)
        self.level_db, self.silent = SAFE_LEVEL_DB, 1
        self.set_profile(profile, 0)

    def set_profile(self, profile: Profile, number: int, take_mix: bool = True) -> None:
        """Set the requested profile, number `number` of the session, and its mix if `take_mix`. Control process only.

        Raises `HearsimError` for one that is too large for the block.
        """
        self.row["profiles"][number % 2] = packed(profile)
        self.profile_number = number
        if take_mix:
            self.take_mix(profile.mix)

    def profile(self) -> tuple[int, Profile]:
        """Return number and content of the requested profile. Any process."""
        number = self.profile_number
        return number, Profile.model_validate_json(bytes(self.row["profiles"][number % 2]))

    def take_mix(self, mix: Mix) -> None:
        """Move all faders to a mix, apart from those of muted stems; no stem has solo."""
        for index, stem in enumerate(STEMS):
            gain = mix.gain(stem)
            if gain:
                self.row["gains_db"][index] = max(gain_to_db(gain), LOWEST_DB)
            self.row["muted"][index] = int(gain == 0.0)
        self.row["solo"][:] = 0
        self._moved()

    def set_gain(self, stem: str, db: float) -> None:
        """Move a fader, -60 .. +12 dB. Raises `HearsimError` beyond, and for an unknown stem."""
        _index(stem)  # before the name is used
        if not LOWEST_DB <= db <= HIGHEST_DB:
            raise HearsimError(f"{stem} {db:g} dB: a fader goes from {LOWEST_DB:g} to {HIGHEST_DB:g} dB")
        self._set("gains_db", stem, db)

    def set_muted(self, stem: str, on: bool) -> None:
        """Take a stem out, or bring it back."""
        self._set("muted", stem, on)

    def set_solo(self, stem: str, on: bool) -> None:
        """Play this stem, and others with solo, alone."""
        self._set("solo", stem, on)

    def set_step(self, step: str) -> None:
        """Choose "dry", "remix" or "aid" (remix and aid)."""
        if step not in STEPS:
            raise HearsimError(f"the bypass has no step {step!r}: it has {', '.join(STEPS)}")
        self.step = STEPS.index(step)
        self._moved()

    def set_loss(self, on: bool) -> None:
        """Switch the hearing-loss simulation. Raises `HearsimError` where the session was started without it."""
        if on and not self.can_lose:
            raise HearsimError("this session runs without the hearing-loss simulation: start it with --loss")
        self.loss = int(on)
        self._moved()

    def set_level(self, db: float) -> None:
        """Set the level of everything: -80 .. 0 dB, 0 being the calibrated level."""
        if not QUIETEST_DB <= db <= 0.0:
            raise HearsimError(f"a level of {db:g} dB: give {QUIETEST_DB:g} to 0, which is the calibrated level")
        self.level_db = db

    def gain_db(self, stem: str) -> float:
        """Return the position of a stem's fader in dB. Any process."""
        return float(self.row["gains_db"][_index(stem)])

    def mixer_state(self) -> MixerState:
        """Return the gains, bypass and loss that result from faders, mute, solo and switches. Any process.

        A stem is heard at its fader's gain unless it is muted, or another has solo and it has not.
        """
        faders, muted, solo = (self.row[name] for name in ("gains_db", "muted", "solo"))
        alone = bool(solo.any())
        gains = {
            stem: 0.0 if muted[k] or (alone and not solo[k]) else db_to_gain(float(faders[k]))
            for k, stem in enumerate(STEMS)
        }
        step: Step = STEPS[self.step]
        return MixerState(gains, step, bool(self.loss))

    def _moved(self) -> None:
        self.row["moves"][0 if self.owner else 1] += 1

    def _set(self, name: str, stem: str, value: float) -> None:
        self.row[name][_index(stem)] = value
        self._moved()


def packed(profile: Profile) -> bytes:
    """Return a profile as JSON. Raises `HearsimError` for one that is too large for the control block."""
    text = profile.model_dump_json().encode()
    if len(text) > LARGEST_PROFILE:
        raise HearsimError(f"the profile {profile.name} takes {len(text)} bytes: it may take {LARGEST_PROFILE}")
    return text


def _index(stem: str) -> int:
    if stem not in STEMS:
        raise HearsimError(f"there is no stem {stem!r}: there are {', '.join(STEMS)}")
    return STEMS.index(stem)


LOADING, READY, CHANGING = 1, 2, 3
PATH_BYTES = 4000


class WorkerStatus(Block):
    """Status of the worker, written by the worker; `state` is cleared by the process that starts it."""

    state = whole()  # 0: no worker; LOADING; READY; CHANGING to another profile
    pid = whole()
    profile_number = whole()  # of the profile that runs; written after the path's latency and the ceiling
    latency = whole()  # of the path, samples
    parts = text(PATH_BYTES)  # of that latency, as JSON: [name, samples, kind] each
    blocks = whole()  # engine blocks done
    late_blocks = whole()  # of them, those whose first sample was due already
    dropped = whole()  # samples too late to be played
    starts = whole()  # restarts of the path
    match = real()  # gain that brings the dry input to the level of the selected signal
    non_finite = whole()  # hops of the network with non-finite output
    priority = text()  # result of the request for real-time priority
    message = text()  # why it ended, if known
    ARRAYS: ClassVar[Arrays] = {
        "seconds": (np.float32, (1024,)),  # compute time of the latest blocks
        "stems": (np.float64, (len(STEMS),)),  # mean square of each, after its gain, full scale
        "limited": (np.int64, (2,)),  # samples that the MPO limiter turned down, per ear
        "ceiling": (np.float32, (2,)),  # largest magnitude that the profile allows, full scale, per ear
    }

    def set_path(self, entries: Sequence[LatencyEntry]) -> None:
        """Publish the rows of the path's own latency; rows beyond the capacity are summed in the last. The worker."""
        rows: list[tuple[str, int, str]] = [(entry.name[:80], entry.samples, entry.kind) for entry in entries]
        while len(data := json.dumps(rows).encode()) > PATH_BYTES:
            rows[-2:] = [("further stages", rows[-2][1] + rows[-1][1], "algorithm")]
        self.parts = data

    def path_entries(self) -> list[LatencyEntry]:
        """Return the rows of the path's own latency. Any process."""
        return [LatencyEntry(*row) for row in json.loads(self.parts)]

    def seconds(self) -> list[float]:
        """Return the compute times of the latest blocks. Any process."""
        found: list[float] = self.row["seconds"][: min(self.blocks, 1024)].tolist()
        return found


OPENING, RUNNING, ENDED, FAILED = 1, 2, 3, 4


class PlaybackStatus(Block):
    """Status of the playback, written in the audio callback; `state`, `pid` and `message` outside it."""

    state = whole()  # 0: no stream; OPENING, RUNNING, ENDED, FAILED
    pid = whole()
    device = text()  # name and host API of the device, once it has been opened
    message = text()  # why it ended, or a remark on the device
    position = whole()  # the next sample to be played
    callbacks = whole()
    period = whole()  # samples in a callback, at most
    delay = whole()  # from input to output, without the path's own latency; 0: not known yet
    fallbacks = whole()  # crossfades to the dry signal
    dry_samples = whole()  # and for how many samples
    dry = whole()  # 1: it plays now
    silent = whole()  # 1: faded out
    starved = whole()  # samples of the file that were not read in time
    xruns = whole()  # flags of the device: overruns and underruns
    device_rate = whole()  # sample rate of the opened device, Hz
    resampling = whole()  # delay of resampling to the engine's rate and back, samples; 0 at the same rate
    reported_ms = real()  # the device's own latency, in and out, as it reports it; 0: not plausible
    ARRAYS: ClassVar[Arrays] = {"peaks": (np.float64, (2,))}  # of the ears, full scale, falling


@dataclass(frozen=True)
class Control:
    """The three blocks of a session."""

    controls: Controls
    worker_status: WorkerStatus
    playback_status: PlaybackStatus

    @classmethod
    def create(cls) -> "Control":
        """Make the blocks. The process that does so closes them."""
        return cls(Controls(), WorkerStatus(), PlaybackStatus())

    def close(self) -> None:
        """Release the blocks."""
        for block in (self.controls, self.worker_status, self.playback_status):
            block.close()
