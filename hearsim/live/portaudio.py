"""Choosing and opening a sound device: the only module that uses PortAudio (through sounddevice).

JACK is preferred where its server runs: its period is as requested, and a stream with `blocksize=0` adds exactly one
period (another block adds itself on top: PortAudio issue 1007). Otherwise the system's default device. Any process, its
main thread; a stream's callback runs on PortAudio's thread.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hearsim.core.errors import HearsimError

JACK = "JACK"
Callback = Callable[[Any, Any, float, Any], None]  # input or None, output, reported latency in seconds, flags


@cache
def portaudio() -> Any:
    """Return sounddevice, which starts PortAudio when it is imported; it never starts a JACK server."""
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
    """The device to be opened, its input if needed, and the reason for the choice."""

    output: Listed
    input: Listed | None
    why: str

    @property
    def label(self) -> str:
        """The output's name and host API."""
        return self.output.label

    @property
    def remarks(self) -> list[str]:
        """Remarks on the device, in sentences."""
        found = []
        if self.output.outputs == 1:
            found.append(f"{self.label} has one channel: it gets the mean of both ears, at most the lower limit")
        if self.input is not None and self.input.inputs == 1:
            found.append(f"{self.input.name} has one channel: both ears hear it")
        return found

    def rate_for(self, rate: int) -> int:
        """Return the rate at which the device opens: this one if possible, else its own.

        Raises `HearsimError` where it opens at neither.
        """
        refusals = {tried: self.refusal(tried) for tried in (rate, round(self.output.rate_hz))}
        for tried, refusal in refusals.items():
            if not refusal:
                return tried
        raise self._closed(refusals[rate])

    def refusal(self, rate: int) -> str:
        """Return PortAudio's reason why the device doesn't open at a rate; "" where it does."""
        library = portaudio()
        try:
            library.check_output_settings(self.output.index, self.channels[1], "float32", samplerate=rate)
            if self.input is not None:
                library.check_input_settings(self.input.index, self.channels[0], "float32", samplerate=rate)
        except library.PortAudioError as error:
            return str(error)
        return ""

    def _closed(self, why: object) -> HearsimError:
        return HearsimError(
            f"{self.label} can't be opened ({why}): does another program hold it? `hearsim devices` lists others"
        )

    @property
    def channels(self) -> tuple[int, int]:
        """Channels in (0 without an input) and out that are opened: two at most."""
        return min(self.input.inputs, 2) if self.input else 0, min(self.output.outputs, 2)

    def open(self, rate: int, callback: Callback) -> Any:
        """Return a stream at the device's own period whose callback hands (frames, channels) to `callback`.

        Raises `HearsimError` where it can't be opened.
        """
        library = portaudio()
        common = {"samplerate": rate, "blocksize": 0, "dtype": "float32", "latency": "low"}
        inputs, outputs = self.channels

        def both(given: Any, out: Any, frames: int, when: Any, flags: Any) -> None:
            callback(given, out, when.outputBufferDacTime - when.inputBufferAdcTime, flags)

        def only_out(out: Any, frames: int, when: Any, flags: Any) -> None:
            callback(None, out, when.outputBufferDacTime - when.currentTime, flags)

        try:
            if self.input is None:
                return library.OutputStream(device=self.output.index, channels=outputs, callback=only_out, **common)
            pair = (self.input.index, self.output.index)
            return library.Stream(device=pair, channels=(inputs, outputs), callback=both, **common)
        except library.PortAudioError as error:
            raise self._closed(error) from None


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


def choose(name: str | None, wants_input: bool, rate: int) -> Choice:
    """Return the device of a name (a part of it, or its number), or the one to be preferred for a rate.

    Raises `HearsimError` without a device, and for a name that fits none or several.
    """
    devices = listed()
    outputs = [device for device in devices if device.outputs]
    if not outputs:
        raise HearsimError(
            "there is no sound device: plug one in, or run `jackd -d dummy -r 44100 -p 128 &`, then `hearsim live play`"
            "; or play without one: `--device null`"
        )
    if name is not None:
        output, why = _named(name, outputs), "it was asked for"
    else:
        output, why = _preferred(outputs, rate)
    return Choice(output, _input_of(output, devices) if wants_input else None, why)


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


def _preferred(outputs: list[Listed], rate: int) -> tuple[Listed, str]:
    """Return the device to be preferred, and why.

    A JACK server at another rate gives way to a default device that opens at the engine's, so nothing is resampled.
    """
    default = next((device for device in outputs if device.index == portaudio().default.device[1]), None)
    jack = next((device for device in outputs if JACK in device.api), None)
    if jack is not None and (
        jack.rate_hz == rate or default is None or default == jack or Choice(default, None, "").refusal(rate)
    ):
        return jack, "its JACK server runs, and a stream there costs one period and no more"
    if default is not None:
        return default, "it is the system's default output"
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
