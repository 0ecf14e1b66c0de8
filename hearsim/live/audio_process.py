"""The audio process: a device, the player it calls, and nothing heavy."""

import os
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Literal

from hearsim.audio_files import open_source
from hearsim.live.control import ENDED, FAILED, OPENING, RUNNING, Control, Playing
from hearsim.live.devices import Device, DeviceLostError, FileDevice, NullDevice, SoundDevice
from hearsim.live.events import Kind
from hearsim.live.player import Player, Rings
from hearsim.live.portaudio import choose
from hearsim.live.process import PRIORITY, ask_for_priority, parent_lives, quiet_process, report_failure
from hearsim.live.shared import fitting


@dataclass(frozen=True)
class Stream:
    """What to open: "null", the path of a file that stands for a device, a device's name, or None for the best.

    `source` says what the worker hears, the file that is fed or the device; `probe`: see `Player`.
    """

    device: str | None
    source: Literal["file", "device"]
    rate: int
    probe: bool = False


def run_audio(stream: Stream, control: Control, rings: Rings, wake: Semaphore) -> None:
    """Open the device and play until the end is asked for: the whole of the audio process."""
    playing, wanted = control.playing, control.wanted
    with report_failure(playing):
        playing.state = OPENING
        player = Player(control, rings, wake, stream.rate, stream.source, stream.probe)
        device, remarks = _device(stream, playing)

        def going() -> bool:
            if not parent_lives():
                wanted.stop = 1  # nobody else can say so any more: fade out, and end
                control.working.state = 0  # nor that the worker, which does the same, is gone
            return not wanted.quit

        while not wanted.go and not wanted.stop and going():  # the path may still be loading
            time.sleep(0.005)
        quiet_process()
        playing.message = fitting(" ".join(remarks))
        playing.state = RUNNING
        try:
            device.run(player, control, rings, going)
        except DeviceLostError as error:
            playing.message = fitting(str(error))
            playing.state = FAILED
            os._exit(1)  # without PortAudio's own farewell, which waits for a server that is gone
        rings.changes.post(Kind.END, playing.position)
        playing.state = ENDED


def _device(stream: Stream, playing: Playing) -> tuple[Device, list[str]]:
    """Return the device, and what there is to be said of it."""
    if stream.device == "null":
        return NullDevice(), []
    if stream.device is not None and Path(stream.device).is_file():
        return FileDevice(open_source(stream.device, stream.rate)), []
    choice = choose(stream.device, stream.source == "device", stream.rate)
    device = SoundDevice(choice, stream.rate)
    # for this thread, which may hold the interpreter when the callback wants it; the worker says what comes of it
    ask_for_priority(PRIORITY)
    playing.device = fitting(choice.label)
    return device, device.remarks
