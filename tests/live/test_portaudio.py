"""Which device is chosen, at which rate it is opened, and what is said where it can't be: with a made-up PortAudio."""

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hearsim.core.errors import HearsimError
from hearsim.live import devices, portaudio
from hearsim.live.control import Control
from hearsim.live.devices import DeviceLostError, SoundDevice
from hearsim.live.player import Rings
from hearsim.live.portaudio import choose

RATE = 44100


class PortAudioError(Exception):
    """As sounddevice's."""


class Machine:
    """Devices as (name, host API, inputs, outputs, rate), the rates each opens at, and the system's default."""

    PortAudioError = PortAudioError

    def __init__(self, *listed: tuple[str, str, int, int, float]) -> None:
        self.listed = listed
        self.apis = sorted({api for _, api, *_ in listed})
        self.rates: dict[int, tuple[int, ...]] = {}
        self.default = SimpleNamespace(device=[-1, -1])
        self.stream: Any = None

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": api} for api in self.apis]

    def query_devices(self) -> list[dict[str, Any]]:
        keys = ("name", "hostapi", "max_input_channels", "max_output_channels", "default_samplerate")
        latencies = {"default_low_input_latency": 0.003, "default_low_output_latency": 0.004}
        return [
            dict(zip(keys, (name, self.apis.index(api), *rest), strict=True)) | latencies
            for name, api, *rest in self.listed
        ]

    def check_output_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if samplerate not in self.rates.get(device, (round(self.listed[device][-1]),)):
            raise PortAudioError("Invalid sample rate" if self.rates.get(device, True) else "Device unavailable")

    def check_input_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        self.check_output_settings(device, channels, dtype, samplerate)

    def OutputStream(self, **settings: Any) -> Any:  # noqa: N802
        if self.stream is None:
            raise PortAudioError("Device unavailable")
        self.stream.settings = settings
        return self.stream


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Machine]]:
    def make(*listed: tuple[str, str, int, int, float]) -> Machine:
        made = Machine(*listed)
        monkeypatch.setattr(portaudio, "portaudio", lambda: made)
        monkeypatch.setattr(devices, "portaudio", lambda: made)
        return made

    return make


def test_a_jack_server_at_the_right_rate_comes_before_the_default(machine: Callable[..., Machine]) -> None:
    machine(("HDA", "ALSA", 2, 2, 44100), ("system", "JACK Audio Connection Kit", 2, 2, 44100)).default.device = [0, 0]
    choice = choose(None, False, RATE)
    assert (choice.label, choice.rate_for(RATE)) == ("system (JACK Audio Connection Kit)", RATE)
    assert "JACK server runs" in choice.why


def test_a_jack_server_at_another_rate_gives_way_to_a_default_that_opens(machine: Callable[..., Machine]) -> None:
    there = machine(("HDA", "ALSA", 2, 2, 48000), ("system", "JACK Audio Connection Kit", 2, 2, 48000))
    there.default.device, there.rates[0] = [0, 0], (44100, 48000)
    assert (choose(None, False, RATE).label, choose(None, False, RATE).rate_for(RATE)) == ("HDA (ALSA)", 44100)
    there.rates[0] = (48000,)  # neither opens: the shorter way it is, and resampled
    choice = choose(None, False, RATE)
    assert (choice.output.api, choice.rate_for(RATE)) == ("JACK Audio Connection Kit", 48000)
    device = SoundDevice(choice, RATE)
    assert any("runs at 48000 Hz, the model at 44100: the sound is resampled, which" in line for line in device.remarks)


def test_a_device_by_number_part_of_its_name_or_label(machine: Callable[..., Machine]) -> None:
    machine(("USB", "ALSA", 0, 2, 44100), ("USB 2", "ALSA", 2, 2, 44100), ("mic", "ALSA", 1, 0, 44100))
    assert choose("1", False, RATE).label == "USB 2 (ALSA)"
    assert choose("usb 2", False, RATE).label == "USB 2 (ALSA)"
    assert choose("USB (ALSA)", False, RATE).label == "USB (ALSA)"  # as a device that was lost is asked for again
    with pytest.raises(HearsimError, match=r"2 devices .* fit 'usb': choose one of 0 USB \(ALSA\), 1 USB 2 \(ALSA\)"):
        choose("usb", False, RATE)
    with pytest.raises(HearsimError, match="no devices with sound output fit 'mic'"):
        choose("mic", False, RATE)
    assert choose("0", True, RATE).input.name == "USB 2"  # the first of its host API, as it has none itself


def test_an_output_without_any_input_is_one_sentence(machine: Callable[..., Machine]) -> None:
    machine(("HDMI", "ALSA", 0, 8, 44100))
    assert choose(None, False, RATE).channels == (0, 2)
    with pytest.raises(HearsimError, match=r"HDMI \(ALSA\) has no input beside it: choose another --device"):
        choose(None, True, RATE)


def test_no_device_at_all_is_one_sentence(machine: Callable[..., Machine]) -> None:
    machine(("mic", "ALSA", 1, 0, 44100))
    with pytest.raises(HearsimError, match="no sound device: plug one in, or run `jackd -d dummy"):
        choose(None, False, RATE)


def test_a_device_that_another_program_holds_is_one_sentence(machine: Callable[..., Machine]) -> None:
    there = machine(("HDA", "ALSA", 2, 2, 48000))
    there.rates[0] = ()
    held = r"HDA \(ALSA\) can't be opened \(Device unavailable\): does another program hold it\?"
    with pytest.raises(HearsimError, match=held):
        SoundDevice(choose(None, False, RATE), RATE)
    there.rates[0] = (44100,)  # or it is taken between the question and the opening
    with pytest.raises(HearsimError, match=held):
        choose(None, False, RATE).open(RATE, lambda *_: None)


@pytest.mark.parametrize("how", ["inactive", "silent", "failing"])
def test_a_device_that_goes_in_mid_stream_is_lost(
    how: str, machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = machine(("USB", "ALSA", 0, 2, 44100))

    def start() -> None:
        if how == "failing":
            raise PortAudioError("Unanticipated host error")
        out = np.full((64, 2), np.nan, np.float32)
        there.stream.settings["callback"](out, 64, SimpleNamespace(outputBufferDacTime=1e9, currentTime=0.0), 0)
        assert not out.any()

    there.stream = SimpleNamespace(start=start, active=how == "silent")
    monkeypatch.setattr(devices, "SILENT_DEVICE_S", 0.05)
    control, rings = Control.create(), Rings.create()
    player = SimpleNamespace(finished=False, callback=lambda given, out, xrun: out.fill(0.0))
    said = "USB .ALSA. failed: Unanticipated" if how == "failing" else "USB .ALSA. has gone: .* is it plugged in?"
    with pytest.raises(DeviceLostError, match=said):
        SoundDevice(choose(None, False, RATE), RATE).run(player, control, rings, lambda: True)  # type: ignore[arg-type]
    assert control.playback_status.reported_ms == 0.0  # a billion seconds is no latency
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # real-time priority is the audio process's own affair
    control.close()
    rings.close()
