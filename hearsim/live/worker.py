"""The worker: the path, block by block, in a process of its own beside the audio.

While it is late or restarted, the audio process plays the dry signal; late samples are dropped.
"""

import time
from collections.abc import Callable
from multiprocessing.synchronize import Semaphore

import numpy as np

from hearsim.core.audio import Format
from hearsim.core.units import FloatArray
from hearsim.live.control import CHANGING, LOADING, READY, Control, Controls
from hearsim.live.events import Kind, state_values
from hearsim.live.ledger import BLOCK
from hearsim.live.path import LivePath
from hearsim.live.player import Rings
from hearsim.live.process import PRIORITY, ask_for_priority, parent_lives, quiet_process, report_failure
from hearsim.profile.schema import STEMS

WARM_UP_BLOCKS = 16


class Worker:
    """Runs a prepared path over the input. All methods: the worker's one thread."""

    def __init__(
        self,
        path: LivePath,
        control: Control,
        rings: Rings,
        number: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._control, self._rings, self._clock = control, rings, clock
        self._sound = np.zeros((2, BLOCK), np.float32)
        self.take(path, number)

    def take(self, path: LivePath, number: int) -> None:
        """Continue with the prepared path of profile number `number`, from silence."""
        worker_status, self._path, self._delay = self._control.worker_status, path, 0
        path.remix.metered = True
        worker_status.latency, worker_status.match = path.latency, path.match
        worker_status.set_path(path.latency_entries())
        worker_status.array("ceiling")[...] = path.ceiling
        self._number = worker_status.profile_number = number

    @property
    def outdated(self) -> bool:
        """Whether another profile is requested, and the output has faded out for it."""
        return self._control.controls.profile_number != self._number and bool(self._control.playback_status.silent)

    def turn(self) -> bool:
        """Process one block if it is available; return whether it was."""
        playback_status = self._control.playback_status
        if playback_status.delay != self._delay:
            self._start()
        if playback_status.delay == 0 or self._rings.source.head - self._position < BLOCK:
            return False
        if self._rings.source.ready(self._position) < BLOCK:  # too late: the samples are overwritten
            self._start()
            return True
        self._follow_desk()
        self._rings.source.read(self._position, self._sound)
        began = self._clock()
        sound = self._path.process(self._sound)
        self._hand_over(sound)
        self._count(self._clock() - began)
        self._position += BLOCK
        return True

    def _start(self) -> None:
        """Restart, from silence, with the next block (at the session's start: with its first sample)."""
        worker_status, head = self._control.worker_status, self._rings.source.head
        self._delay = self._control.playback_status.delay
        first = worker_status.starts == 0
        self._position = 0 if first else -(-head // BLOCK) * BLOCK
        self._version = self._control.controls.version
        mixer = self._control.controls.mixer_state()
        self._path.start(mixer)
        settled = self._position + self._delay + (0 if first else self._path.latency)  # before that it is silence
        self._rings.wet.skip_to(settled)
        worker_status.starts += 1
        self._rings.moves.post(Kind.START, self._position, *state_values(mixer), self._number)

    def _follow_desk(self) -> None:
        version = self._control.controls.version
        if version != self._version:
            self._version = version
            mixer = self._control.controls.mixer_state()
            self._rings.moves.post(Kind.MOVE, self._path.configure(mixer), *state_values(mixer))

    def _hand_over(self, sound: FloatArray) -> None:
        """Write the samples from the ring's head on; count those whose playing time has passed."""
        begins, wet, worker_status = self._position + self._delay, self._rings.wet, self._control.worker_status
        skipped = min(max(wet.head - begins, 0), BLOCK)
        wet.write(sound[:, skipped:])
        passed = self._control.playback_status.position - begins
        if passed > 0:
            worker_status.late_blocks += 1
            worker_status.dropped += min(passed, BLOCK)

    def _count(self, seconds: float) -> None:
        worker_status, path = self._control.worker_status, self._path
        row = worker_status.array("seconds")
        row[worker_status.blocks % len(row)] = seconds
        gains = np.array([path.mixer.gains[stem] for stem in STEMS])
        worker_status.array("stems")[...] = path.remix.power * gains**2
        worker_status.match = path.match
        worker_status.array("limited")[...] = path.limiter.limited
        worker_status.non_finite = path.separator.non_finite_blocks
        worker_status.blocks += 1


def build_path(controls: Controls, rate: int) -> tuple[LivePath, int]:
    """Return the path of the requested profile, prepared and warmed up, and the profile's number."""
    number, profile = controls.profile()
    path = LivePath(profile, bool(controls.can_lose))
    path.prepare(Format(rate, 2, BLOCK))
    for _ in range(WARM_UP_BLOCKS):
        path.process(np.zeros((2, BLOCK), np.float32))
    return path, number


def run_worker(rate: int, control: Control, rings: Rings, wake: Semaphore) -> None:
    """Load the path and work until the session quits; the worker process's main function."""
    worker_status, controls = control.worker_status, control.controls
    with report_failure(worker_status):
        worker_status.state = LOADING
        path, number = build_path(controls, rate)
        worker = Worker(path, control, rings, number)
        worker_status.priority = ask_for_priority(PRIORITY).encode()
        quiet_process()
        worker_status.state = READY
        while not controls.quit and parent_lives():
            wake.acquire(timeout=0.1)
            if worker.outdated:
                worker_status.state = CHANGING
                worker.take(*build_path(controls, rate))
                quiet_process()
                worker_status.state = READY
            while worker.turn() and not controls.quit and not worker.outdated:
                pass
