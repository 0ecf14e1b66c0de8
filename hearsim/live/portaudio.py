"""Which sound device, and how to open it: the only module that knows PortAudio (through sounddevice).

JACK is taken where its server runs: its period is what was asked for, and a stream with `blocksize=0` costs exactly one
(any other block costs itself on top: PortAudio issue 1007). Otherwise the system's default device.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hearsim.errors import HearsimError

JACK = "JACK"
Heard = Callable[[Any, Any, float, Any], None]  # input or None, output, reported latency in seconds, flags


@cache
def portaudio() -> Any:
    """Return sounddevice, which starts PortAudio when it is imported; never starts a JACK server by itself."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import sounddevice
    except OSError:
        raise HearsimError("PortAudio is missing: install it (Debian, Ubuntu: apt install libportaudio2)") from None
    return sounddevice


@dataclass(frozen=True)
class Listed:
    """A device as PortAudio lists it; latencies in ms, as it reports them."""

    index: int
    name: str
    api: str
    inputs: int
    outputs: int
    rate_hz: float
    input_ms: float
    output_ms: float

    @property
    def label(self) -> str:
        """Name and host API."""
        return f"{self.name} ({self.api})"


@dataclass(frozen=True)
class Choice:
    """The device to be opened, its input where one is wanted, and why it was chosen."""

    output: Listed
    input: Listed | None
    why: str

    @property
    def label(self) -> str:
        """The output's name and host API."""
        return self.output.label

    @property
    def remarks(self) -> list[str]:
        """What is odd about the device, in sentences."""
        found = []
        if self.output.outputs == 1:
            found.append(f"{self.label} has one channel: it gets the mean of both ears")
        if self.input is not None and self.input.inputs == 1:
            found.append(f"{self.input.name} has one channel: both ears hear it")
        return found

    def check(self, rate: int) -> None:
        """Raise `HearsimError` where the device can't be opened at a rate."""
        library = portaudio()
        try:
            library.check_output_settings(self.output.index, min(self.output.outputs, 2), "float32", samplerate=rate)
            if self.input is not None:
                library.check_input_settings(self.input.index, min(self.input.inputs, 2), "float32", samplerate=rate)
        except library.PortAudioError as error:
            raise HearsimError(self._refusal(rate, error)) from None

    def _refusal(self, rate: int, error: Exception) -> str:
        if self.output.rate_hz != rate:
            how = f"start its server at {rate} Hz (jackd -r {rate})" if JACK in self.output.api else f"set it to {rate}"
            return f"{self.label} runs at {self.output.rate_hz:g} Hz, the model at {rate}: {how}, or choose another"
        return f"{self.label} can't be opened ({error}): does another program hold it? `hearsim devices` lists others"

    def open(self, rate: int, heard: Heard) -> Any:
        """Return a stream at the device's own period whose callback hands (frames, channels) to `heard`."""
        library = portaudio()
        common = {"samplerate": rate, "blocksize": 0, "dtype": "float32", "latency": "low"}
        outputs = min(self.output.outputs, 2)

        def both(given: Any, out: Any, frames: int, when: Any, flags: Any) -> None:
            heard(given, out, when.outputBufferDacTime - when.inputBufferAdcTime, flags)

        def only_out(out: Any, frames: int, when: Any, flags: Any) -> None:
            heard(None, out, when.outputBufferDacTime - when.currentTime, flags)

        self.check(rate)
        try:
            if self.input is None:
                return library.OutputStream(device=self.output.index, channels=outputs, callback=only_out, **common)
            pair, channels = (self.input.index, self.output.index), (min(self.input.inputs, 2), outputs)
            return library.Stream(device=pair, channels=channels, callback=both, **common)
        except library.PortAudioError as error:
            raise HearsimError(self._refusal(rate, error)) from None


def listed() -> list[Listed]:
    """Return all devices."""
    library = portaudio()
    apis = [api["name"] for api in library.query_hostapis()]
    return [
        Listed(
            index,
            device["name"],
            apis[device["hostapi"]],
            device["max_input_channels"],
            device["max_output_channels"],
            device["default_samplerate"],
            1e3 * device["default_low_input_latency"],
            1e3 * device["default_low_output_latency"],
        )
        for index, device in enumerate(library.query_devices())
    ]


def choose(name: str | None, wants_input: bool) -> Choice:
    """Return the device of a name (a part of it, or its number), or the one to be preferred.

    Raises `HearsimError` where there is none, or the name fits none or several.
    """
    devices = listed()
    outputs = [device for device in devices if device.outputs]
    if not outputs:
        raise HearsimError(
            "there is no sound device: plug one in, or start JACK (`hearsim devices` lists what is seen)"
        )
    if name is not None:
        output, why = _named(name, outputs), "it was asked for"
    else:
        output, why = _preferred(outputs)
    if not wants_input:
        return Choice(output, None, why)
    return Choice(output, _input_of(output, devices), why)


def _named(name: str, outputs: list[Listed]) -> Listed:
    if name.isdigit():
        fits = [device for device in outputs if device.index == int(name)]
    else:
        fits = [device for device in outputs if device.label == name]
        fits = fits or [device for device in outputs if name.lower() in device.label.lower()]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(f"{device.index} {device.label}" for device in fits or outputs)
    raise HearsimError(f"{len(fits) or 'no'} devices with sound output fit {name!r}: choose one of {names}")


def _preferred(outputs: list[Listed]) -> tuple[Listed, str]:
    for device in outputs:
        if JACK in device.api:
            return device, "its JACK server runs, and a stream there costs one period and no more"
    default = portaudio().default.device[1]
    for device in outputs:
        if device.index == default:
            return device, "it is the system's default output"
    return outputs[0], "it is the first output; the system names no default"


def _input_of(output: Listed, devices: list[Listed]) -> Listed:
    """Return the input that shares a clock with an output: the same device, or else one of its host API."""
    inputs = [device for device in devices if device.inputs and device.api == output.api]
    if output.inputs:
        return output
    default = portaudio().default.device[0]
    for device in sorted(inputs, key=lambda device: device.index != default):
        return device
    raise HearsimError(f"{output.label} has no input beside it: choose another --device, or play a --file")
