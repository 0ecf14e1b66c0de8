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
        working, self._path, self._delay = self._control.working, path, 0
        path.remix.metered = True
        working.latency, working.match = path.latency, path.match
        working.set_path(path.latency_entries())
        working.array("ceiling")[...] = path.ceiling
        self._number = working.profile_number = number

    @property
    def outdated(self) -> bool:
        """Whether another profile is requested, and the output has faded out for it."""
        return self._control.wanted.profile_number != self._number and bool(self._control.playing.silent)

    def turn(self) -> bool:
        """Process one block if it is available; return whether it was."""
        playing = self._control.playing
        if playing.delay != self._delay:
            self._start()
        if playing.delay == 0 or self._rings.source.head - self._position < BLOCK:
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
        working, head = self._control.working, self._rings.source.head
        self._delay = self._control.playing.delay
        first = working.starts == 0
        self._position = 0 if first else -(-head // BLOCK) * BLOCK
        self._version = self._control.wanted.version
        desk = self._control.wanted.mixer_state()
        self._path.start(desk)
        settled = self._position + self._delay + (0 if first else self._path.latency)  # before that it is silence
        self._rings.wet.skip_to(settled)
        working.starts += 1
        self._rings.moves.post(Kind.START, self._position, *state_values(desk), self._number)

    def _follow_desk(self) -> None:
        version = self._control.wanted.version
        if version != self._version:
            self._version = version
            desk = self._control.wanted.mixer_state()
            self._rings.moves.post(Kind.MOVE, self._path.configure(desk), *state_values(desk))

    def _hand_over(self, sound: FloatArray) -> None:
        """Write the samples from the ring's head on; count those whose playing time has passed."""
        begins, wet, working = self._position + self._delay, self._rings.wet, self._control.working
        skipped = min(max(wet.head - begins, 0), BLOCK)
        wet.write(sound[:, skipped:])
        passed = self._control.playing.position - begins
        if passed > 0:
            working.late_blocks += 1
            working.dropped += min(passed, BLOCK)

    def _count(self, seconds: float) -> None:
        working, path = self._control.working, self._path
        row = working.array("seconds")
        row[working.blocks % len(row)] = seconds
        gains = np.array([path.desk.gains[stem] for stem in STEMS])
        working.array("stems")[...] = path.remix.power * gains**2
        working.match = path.match
        working.array("limited")[...] = path.limiter.limited
        working.non_finite = path.separator.non_finite_blocks
        working.blocks += 1


def wanted_path(wanted: Controls, rate: int) -> tuple[LivePath, int]:
    """Return the path of the requested profile, prepared and warmed up, and the profile's number."""
    number, profile = wanted.profile()
    path = LivePath(profile, bool(wanted.can_lose))
    path.prepare(Format(rate, 2, BLOCK))
    for _ in range(WARM_UP_BLOCKS):
        path.process(np.zeros((2, BLOCK), np.float32))
    return path, number


def run_worker(rate: int, control: Control, rings: Rings, wake: Semaphore) -> None:
    """Load the path and work until the session quits; the worker process's main function."""
    working, wanted = control.working, control.wanted
    with report_failure(working):
        working.state = LOADING
        path, number = wanted_path(wanted, rate)
        worker = Worker(path, control, rings, number)
        working.priority = ask_for_priority(PRIORITY).encode()
        quiet_process()
        working.state = READY
        while not wanted.quit and parent_lives():
            wake.acquire(timeout=0.1)
            if worker.outdated:
                working.state = CHANGING
                worker.take(*wanted_path(wanted, rate))
                quiet_process()
                working.state = READY
            while worker.turn() and not wanted.quit and not worker.outdated:
                pass
