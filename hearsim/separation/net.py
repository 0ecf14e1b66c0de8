"""What every separation network is: trained on whole signals, streamed hop by hop, equal in both.

A network masks what its encoders make of a frame (`masked`): a spectrum, learned bases, or both. All else stands
here once: framing, synthesis, overlap-add, state. Both kinds of output are summed as *windowed spectra*, so a loss
can be taken before the inverse transform (memory traffic is what training on a CPU is made of).

The law, for every network, with random weights: stream(x)[n] == forward(x)[n - latency].
"""

import abc
import copy
from typing import Annotated, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from torch import Tensor, nn

from hearsim.separation.framing import frame, inverse_spectrum, overlap_add, spectrum, windows
from hearsim.separation.memory import Memory, lay_out

STEMS = ("vocals", "drums", "bass", "other")
Count = Annotated[int, Field(strict=True, ge=1)]


class NetConfig(BaseModel):
    """What all networks have: rate in Hz, window, hop and synthesis window in samples, channels, stems.

    Raises pydantic's `ValidationError` for sizes that no network can have; `hearsim.separation.systems` words it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    rate: Count = 44100
    window: Count = Field(default=1024, multiple_of=2)
    hop: Count = 512
    channels: Count = Field(default=2, le=2)
    stems: tuple[str, ...] = Field(default=STEMS, min_length=1)

    @property
    def tail(self) -> int:
        """Length of the synthesis window: two hops. Shorter than `window` it makes the windows asymmetric."""
        return 2 * self.hop

    @property
    def live_ms(self) -> float:
        """Live delay: one hop of input, and what streaming is late."""
        return 1e3 * self.tail / self.rate

    @field_validator("hop")
    @classmethod
    def _hop_divides_the_window(cls, hop: int, others: ValidationInfo) -> int:
        window = others.data.get("window")
        if window is not None and (window % hop or 2 * hop > window):
            raise ValueError(f"it must divide the window of {window} into two, three or more hops")
        return hop


class NetState(NamedTuple):
    """What a stream carries from hop to hop."""

    history: Tensor  # (batch, channels, window - hop): the input before the newest hop
    overlap: Tensor  # (batch, stems, channels, tail - hop): output still to be completed
    memories: tuple[Tensor, ...]  # (layers, parts, batch, units) each, in the order of `memories()`


class Masked(NamedTuple):
    """What a network makes of frames; None for a branch that it does not have."""

    spectra: Tensor | None  # (batch, T, stems, channels * 2 K)
    bases: Tensor | None  # (batch, T, stems, n): weights of the decoder's filters
    memories: tuple[Tensor, ...]  # their states after the last frame


class SeparatorNet(nn.Module, abc.ABC):
    """A causal network that takes a mixture apart into stems; see the module."""

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.rate, self.window, self.hop, self.tail = config.rate, config.window, config.hop, config.tail
        self.channels, self.stems = config.channels, config.stems
        self.decoder: nn.Linear | None = None  # filters (channels * window, n) of a waveform branch
        analysis, synthesis = windows(config.window, config.tail)
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)

    @property
    def latency(self) -> int:
        """Samples by which streaming is late in a file; live it is one hop more."""
        return self.tail - self.hop

    @abc.abstractmethod
    def masked(self, frames: Tensor, memories: tuple[Tensor, ...], scale: Tensor | None = None) -> Masked:
        """Mask (batch, T, channels, window) frames; `memories` are the states before the first of them.

        `scale` (batch,) scales the output of each example, which a loss may want without a pass over the result.
        """

    @abc.abstractmethod
    def memories(self) -> list[Memory]:
        """Return the memories, in the order of their states."""

    def silent_memories(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states of the memories before the first frame."""
        return tuple(memory.silent(batch, self.synthesis.device) for memory in self.memories())

    def spectra(
        self, frames: Tensor, memories: tuple[Tensor, ...], scale: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the stems' windowed spectra (batch, T, stems, channels, 2 K) and the states after them."""
        spectral, weights, after = self.masked(frames, memories, scale)
        if self.decoder is not None and weights is not None:
            filters = self.decoder.weight.T.unflatten(-1, (self.channels, self.window))  # (n, channels, window)
            filters = spectrum(filters, self.analysis).flatten(-2)
            flat = weights.flatten(0, -2)
            rows = flat @ filters if spectral is None else torch.addmm(spectral.flatten(0, -2), flat, filters)
            spectral = rows.view(*weights.shape[:-1], -1)
        assert spectral is not None
        return spectral.unflatten(-1, (self.channels, -1)), after

    def forward(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) into (batch, stems, channels, frames), time-aligned."""
        frames = frame(mix, self.window, self.hop, self.tail).transpose(1, 2)
        found, _ = self.spectra(frames, self.silent_memories(mix.shape[0]))
        tails = inverse_spectrum(found, self.window)[..., -self.tail :] * self.synthesis  # (b, T, stems, c, tail)
        return overlap_add(tails.permute(0, 2, 3, 1, 4), self.hop, mix.shape[-1])

    def initial_state(self, batch: int = 1) -> NetState:
        """Return silence before the first hop."""
        device = self.synthesis.device
        return NetState(
            torch.zeros(batch, self.channels, self.window - self.hop, device=device),
            torch.zeros(batch, len(self.stems), self.channels, self.tail - self.hop, device=device),
            self.silent_memories(batch),
        )

    def streaming(self) -> Self:
        """Return a twin for `step`: the same network with its weights laid out for single frames."""
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())}
        twin = copy.deepcopy(self, shared).eval()
        decoder, twin.decoder = twin.decoder, None
        lay_out(twin)
        twin.decoder = decoder
        return twin

    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        """Separate the next (batch, channels, hop) into (batch, stems, channels, hop), `latency` samples late."""
        frames = torch.cat((state.history, hop), -1)  # (b, channels, window)
        spectral, weights, memories = self.masked(frames.unsqueeze(1), state.memories)
        tails: list[Tensor] = []
        if spectral is not None:
            bins = spectral.squeeze(1).unflatten(-1, (self.channels, -1))
            tails.append(inverse_spectrum(bins, self.window)[..., -self.tail :] * self.synthesis)
        if weights is not None:
            tails.append(nn.functional.linear(weights.squeeze(1), self.tail_filters()).unflatten(-1, (self.channels, -1)))
        output = sum(tails[1:], tails[0])
        output[..., : self.tail - self.hop] += state.overlap
        ready, overlap = output[..., : self.hop], output[..., self.hop :]
        return ready, NetState(frames[..., self.hop :], overlap, memories)

    def tail_filters(self) -> Tensor:
        """Return what the decoder's filters add to the output of a step, (n, channels * tail): a constant of a trace."""
        assert self.decoder is not None
        filters = self.decoder.weight.unflatten(0, (self.channels, self.window))[:, -self.tail :]
        return (filters * (self.analysis[-self.tail :] * self.synthesis)[:, None]).flatten(0, 1)

    @torch.no_grad()
    def stream(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) hop by hop; late by `latency`, of the length of whole hops."""
        net, state, outputs = self.streaming(), self.initial_state(mix.shape[0]), []
        for start in range(0, mix.shape[-1] - self.hop + 1, self.hop):
            output, state = net.step(mix[..., start : start + self.hop], state)
            outputs.append(output)
        return torch.cat(outputs, -1)

    def parameter_count(self) -> int:
        """Return the number of trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())
