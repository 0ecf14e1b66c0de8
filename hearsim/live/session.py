"""A live session in the control process: it starts, monitors and restarts the other processes.

control   this process: settings; feeds the file, writes log and recordings; messages
worker    the path; if it is killed or stuck, the dry signal plays and a new one is started
audio     device and callback; a lost device is opened again, never another one
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hearsim.core.audio_files import AID_RATE_HZ, Source
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.live.control import ENDED, READY, RUNNING, Control, packed
from hearsim.live.devices import Stream, run_audio
from hearsim.live.events import Kind
from hearsim.live.log import header, profile_line
from hearsim.live.player import Rings
from hearsim.live.process import preloaded, undisturbed
from hearsim.live.recording import PIECE, SessionRecorder, check_new, endless
from hearsim.profile.schema import Profile

WORKER = "hearsim.live.worker"  # imported by the worker alone: it brings torch
LOADING_S, OPENING_S, CLOSING_S = 180.0, 20.0, 5.0
REOPEN_EVERY_S = 1.0
MOST_DEATHS, YOUNG_S = 3, 10.0  # so many early ends of workers in a row are a permanent fault
CABLES = "; JACK has lost the cables made by hand (with QjackCtl, for example): connect the player again"
STUCK_S = 5.0  # a worker without progress for so long in a running stream counts as stuck


class Session:
    """One session; a context manager. Methods: control process, its main thread, unless they say otherwise.

    `song` is what plays, or None for the device's input; `device` as in `Stream`. With `loss` the hearing-loss
    simulation is part of the path. A session is silent until `control.controls.silent` is 0, or fades in to a
    `level_db`. `recording` (of the output, from the first sample on) and `log` must be new; the log of a device's
    input has its recording beside it, `<log>.input.wav`. `log_source` is the log's entry for the source,
    by default the song's path and checksum, or the device. `probe` is played to the device while its input goes
    through the engine (for a cable from output to input). With `loop` the song is played again and again.
    """

    rate = AID_RATE_HZ

    def __init__(
        self,
        profile: Profile,
        song: Source | None = None,
        device: str | None = None,
        loss: bool = False,
        level_db: float | None = None,
        recording: Path | None = None,
        log: Path | None = None,
        log_source: dict[str, Any] | None = None,
        probe: Iterator[FloatArray] | None = None,
        loop: bool = False,
    ) -> None:
        self.profile, self.song, self.loss, self._loop = profile, song, loss, loop
        self._stream = Stream(device, "file" if song else "device", self.rate, probe is not None)
        self._level_db, self._recording_path, self._log_path = level_db, recording, log
        self._input_path = log.with_name(log.name + ".input.wav") if log is not None and song is None else None
        self._log_source = {**(log_source or _source(song, device, self._input_path)), "loop": loop}
        self._sound = (endless(song, PIECE) if loop else _blocks(song)) if song else probe
        self.messages: list[str] = []

    def __enter__(self) -> Self:
        """Load the path and open the device: the stream runs, silently. Raises `HearsimError` where it can't."""
        self.control, self.rings = Control.create(), Rings.create()
        self._wake = multiprocessing.get_context("spawn").Semaphore(0)
        self._recorder = SessionRecorder(self.rings, self._sound, self.rate, self._say)
        self._processes: list[BaseProcess] = []
        self._young_deaths, self._died_at, self._lost_at, self._lost_why, self._lost_calls = 0, 0.0, 0.0, "", 0
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Fade out, close the device, end the processes, give log and recording their names."""
        self._end()

    def _begin(self) -> None:
        for path in (self._recording_path, self._log_path, self._input_path):
            if path is not None:
                check_new(path)
        controls = self.control.controls
        controls.begin(self.profile, self.loss)
        if self._level_db is not None:
            controls.set_level(self._level_db)
            controls.silent = 0
        self._audio, self._worker = self._start_audio(), self._start_worker()
        self._await(lambda: self.control.worker_status.state == READY, LOADING_S, "the worker")
        self._say(f"worker: {self.control.worker_status.priority.decode()}")
        if self._log_path is not None:
            self._recorder.log(self._log_path, header(self.profile, self.loss, self.rate, self._log_source))
        if self._input_path is not None:
            self._recorder.record(self._input_path, "source")
        if self._recording_path is not None:
            self.record(self._recording_path)
        self._recorder.start()
        controls.go = 1
        self._await(lambda: self.control.playback_status.delay > 0, OPENING_S, "the device")
        if message := self.control.playback_status.message:
            self._say(message.decode())

    def _start_worker(self) -> BaseProcess:
        self.control.worker_status.state = 0
        self._worker_since = self._worked_at = time.monotonic()
        self._progress, self._worker_fault = (0, 0), ""
        process = preloaded(WORKER, "run_worker", self.rate, *self._shared)
        process.start()  # waits until the module is imported: Ctrl-C ends that
        return self._keep(process)

    def _start_audio(self) -> BaseProcess:
        self.control.playback_status.state = 0
        self._audio_since = time.monotonic()
        opened = self.control.playback_status.device.decode()  # a lost device may not be replaced by another
        stream = replace(self._stream, device=opened) if opened else self._stream
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=run_audio, args=(stream, *self._shared), daemon=True)
        with undisturbed():
            process.start()
        return self._keep(process)

    @property
    def _shared(self) -> tuple[Control, Rings, Semaphore]:
        return self.control, self.rings, self._wake

    def _keep(self, process: BaseProcess) -> BaseProcess:
        self._processes = [*(other for other in self._processes if other.exitcode is None), process]
        return process

    def _await(self, there: Callable[[], bool], seconds: float, who: str) -> None:
        """Wait for a condition. Raises `HearsimError` with a process's message where that ends instead."""
        until = time.monotonic() + seconds
        while not there():
            for process, block in (
                (self._worker, self.control.worker_status),
                (self._audio, self.control.playback_status),
            ):
                if process.exitcode is not None:
                    raise HearsimError(
                        block.message.decode() or f"a process ended ({how(process)}) before it was ready"
                    )
            if time.monotonic() > until:
                raise HearsimError(f"{who} was not there after {seconds:g} s: is the machine overloaded?")
            time.sleep(0.005)

    @property
    def latency(self) -> int:
        """Samples from input to output, the device's own delay excluded."""
        return self.control.playback_status.delay + self.control.worker_status.latency

    @property
    def ended(self) -> bool:
        """Whether the stream has ended, or a stop was requested while its device was lost."""
        lost = self._audio.exitcode is not None
        return self.control.playback_status.state == ENDED or (lost and bool(self.control.controls.stop))

    @property
    def lost(self) -> str:
        """Why the device is lost, while it is; else ""."""
        return self._lost_why

    def poll(self) -> list[str]:
        """Monitor the session; return its messages. Call it, or `look_after`, some times a second."""
        self.look_after()
        said, self.messages = self.messages, []
        return said

    def look_after(self) -> None:
        """Restart failed processes. Raises `HearsimError` where the session can't continue."""
        self._recorder.check()
        song, playback_status = self.song, self.control.playback_status
        if song is not None and not self._loop and playback_status.position >= song.frames + self.latency:
            self.control.controls.stop = 1
        self._watch_worker()
        self._watch_audio()

    def _watch_worker(self) -> None:
        worker_status, age = self.control.worker_status, time.monotonic() - self._worker_since
        if self._worker.exitcode is not None:
            self._young_deaths = self._young_deaths + 1 if age < YOUNG_S else 1
            why = self._worker_fault or worker_status.message.decode() or how(self._worker)
            if self._young_deaths >= MOST_DEATHS:
                raise HearsimError(f"the worker has ended {MOST_DEATHS} times in a row: {why}")
            self._say(f"the worker ended ({why}): the dry signal plays, a new worker is starting")
            self._died_at = time.monotonic()
            self._worker = self._start_worker()
            return
        if self._died_at and worker_status.state == READY:
            self._say(f"the worker is back after {time.monotonic() - self._died_at:.1f} s")
            self._died_at = 0.0
        self._end_stuck_worker()

    def _end_stuck_worker(self) -> None:
        """Kill a worker without progress while input is waiting."""
        worker_status, now = self.control.worker_status, time.monotonic()
        progress = (worker_status.state, worker_status.blocks)
        if progress != self._progress or self.control.playback_status.state != RUNNING:
            self._progress, self._worked_at = progress, now
        patience = STUCK_S if worker_status.state == READY else LOADING_S
        if now - self._worked_at > patience and not self._worker_fault:
            self._worker_fault = f"stuck for {patience:g} s"
            self._worker.kill()

    def _watch_audio(self) -> None:
        playback_status, now = self.control.playback_status, time.monotonic()
        if self._audio.exitcode is not None and playback_status.state != ENDED:
            own_words = playback_status.message.decode() if self._audio.exitcode > 0 else ""  # else it names the device
            why = own_words or f"the audio process ended ({how(self._audio)})"
            if why != self._lost_why:
                self._say(f"{why}{'' if why.endswith('?') else '.'} Trying to open it again")
            self._lost_at, self._lost_why, self._lost_calls = self._lost_at or now, why, playback_status.callbacks
            if now - self._audio_since > REOPEN_EVERY_S:
                self._audio = self._start_audio()
        elif self._lost_at and playback_status.callbacks > self._lost_calls:  # open and playing
            cables = CABLES if "JACK" in playback_status.device.decode() else ""
            self._say(f"the device is back after {now - self._lost_at:.1f} s{cables}")
            self._lost_at, self._lost_why = 0.0, ""

    def switch(self, profile: Profile, take_mix: bool = True) -> None:
        """Change to another profile, and its mix if `take_mix`: fade out, change the path, fade in at the level set.

        Raises `HearsimError` for a profile that is too large.
        """
        packed(profile)
        self._recorder.note(profile_line(profile))  # before the START event that refers to it
        self.control.controls.set_profile(profile, self.control.controls.profile_number + 1, take_mix)
        self.profile = profile

    def _say(self, message: str) -> None:
        self.messages.append(message)

    @property
    def recording(self) -> bool:
        """Whether the output is being recorded."""
        return self._recorder.records("played")

    def record(self, path: Path) -> None:
        """Begin to record the output. Raises `HearsimError` where the file can't be made, or a recording runs."""
        self._recorder.record(path)

    def stop_recording(self) -> None:
        """End the recording: the file gets its name."""
        self._recorder.stop_recording()

    def _end(self) -> None:
        controls, playback_status = self.control.controls, self.control.playback_status
        controls.stop = 1
        until = time.monotonic() + CLOSING_S
        while playback_status.state == RUNNING and self._audio.exitcode is None and time.monotonic() < until:
            time.sleep(0.005)
        controls.quit = 1
        for process in self._processes:
            process.join(CLOSING_S)
            if process.exitcode is None:
                process.kill()
                process.join()
        if playback_status.state != ENDED:  # the audio process can't set it any more
            self.rings.changes.post(Kind.END, self.rings.played.head)
        self._recorder.close()
        self.control.close()
        self.rings.close()


def _source(song: Source | None, device: str | None, recording: Path | None) -> dict[str, Any]:
    """Return the log's entry for the source."""
    if song is not None:
        return {"path": str(song.path.absolute()), "sha256": song.sha256}
    return {"device": device} if recording is None else {"device": device, "path": str(recording.absolute())}


def _blocks(song: Source) -> Iterator[FloatArray]:
    left = song.frames
    for block in song.blocks(PIECE):
        yield block[:, :left]
        left -= PIECE


def how(process: BaseProcess) -> str:
    """Return a description of a process's end."""
    code = process.exitcode or 0
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
