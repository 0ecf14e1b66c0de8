"""HS-TasNet (Venkatesh, Benilov, Coleman, Roskam 2024, arXiv 2402.17701): hybrid spectrogram and waveform.

              +-- |STFT| ----- linear -- memory --+            +-- memory -- mask x STFT ----- iSTFT --+
    frame ----+                                   +-- memory --+   (+ skip from the encoder)           +-- sum
              +-- gated bases - linear - memory --+            +-- memory -- mask x bases - decoder ---+

One configuration gives all sizes. "full" concatenates the branches and has a memory per branch after the fusion;
"small" sums them and has none; "shared" sums them and has one memory for both (ours, for small machines).

Both branches are added up as *windowed spectra*, so a loss can be taken before the inverse transform: the
analysis window times the synthesis window is the Hann window that the paper puts on the decoder's filters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hearsim.separation.bands import band_features, band_matrices
from hearsim.separation.framing import frame, inverse_spectrum, overlap_add, root_hann, spectrum
from hearsim.separation.net import STEMS, SeparatorNet


@dataclass(frozen=True)
class HSTasNetConfig:
    """Sizes of an HS-TasNet; the defaults are the paper's full network."""

    rate: int = 44100
    window: int = 1024
    hop: int = 512
    channels: int = 2
    stems: tuple[str, ...] = STEMS
    units: int = 500
    layers: int = 2
    bases: int = 1000
    fusion: Literal["full", "small", "shared"] = "full"
    bands: int = 0
    """Bands that pool the bins, per channel; 0 is one magnitude a bin, the mean of the channels."""


FULL = HSTasNetConfig()
SMALL = HSTasNetConfig(layers=1, fusion="small")
LITE = HSTasNetConfig(units=256, layers=1, bases=128, fusion="shared", bands=160)


class Memory(nn.Module):
    """LSTM layers with an identity skip around them."""

    def __init__(self, units: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(units, units, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Run over (batch, T, units) from a zero state."""
        output: Tensor = self.lstm(x)[0]
        return x + output

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run one frame (batch, units) with state (layers, 2, batch, units).

        Two matrix products a layer: `nn.LSTM` repacks its weights at every call (`facts/runtime.md`).
        """
        hidden, states = x, []
        for layer in range(self.lstm.num_layers):
            before, cell = state[layer, 0], state[layer, 1]
            w_in, w_rec, b_in, b_rec = self.lstm.all_weights[layer]
            gates = functional.linear(hidden, w_in, b_in) + functional.linear(before, w_rec, b_rec)
            enter, forget, candidate, leave = gates.chunk(4, -1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
            states.append(torch.stack((hidden, cell)))
        return x + hidden, torch.stack(states)


class HSTasNetState(NamedTuple):
    """What a stream carries from hop to hop."""

    history: Tensor  # (batch, channels, window - hop): the input before the newest hop
    overlap: Tensor  # (batch, stems, channels, window - hop): output still to be completed
    memories: tuple[Tensor, ...]  # (layers, 2, batch, units) each, in path order


MemoryRunner = Callable[[nn.Module, Tensor], Tensor]
"""How a memory is run: over a whole signal, or over one frame with its state."""


class HSTasNet(SeparatorNet):
    """HS-TasNet of any size; see the module's picture."""

    taper: Tensor
    pool: Tensor
    spread: Tensor

    def __init__(self, config: HSTasNetConfig = FULL) -> None:
        super().__init__()
        self.config = config
        self.rate, self.window, self.hop = config.rate, config.window, config.hop
        self.channels, self.stems = config.channels, config.stems
        units, bins, stems = config.units, config.window // 2 + 1, len(config.stems)
        self.register_buffer("taper", root_hann(config.window), persistent=False)
        if config.bands:
            pool, spread = band_matrices(config.rate, config.window, config.bands)
            self.mask_channels, inputs, masks = (
                config.channels,
                config.bands * (config.channels + 1),
                config.bands,
            )
            inputs = inputs if config.channels > 1 else config.bands
        else:
            pool = spread = torch.eye(bins)
            self.mask_channels, inputs, masks = 1, bins, bins
        self.register_buffer("pool", pool, persistent=False)  # (bins, bands)
        self.register_buffer("spread", spread, persistent=False)  # (bands, bins)

        self.spectrum_in = nn.Linear(inputs, units)
        self.encoder = nn.Linear(config.channels * config.window, 2 * config.bases, bias=False)
        self.basis_in = nn.Linear(config.bases, units)
        self.spectrum_memory = Memory(units, config.layers)
        self.basis_memory = Memory(units, config.layers)
        full, shared = config.fusion == "full", config.fusion == "shared"
        self.fused_memory = Memory(2 * units if full else units, config.layers)
        self.late_memories = nn.ModuleList(Memory(units, config.layers) for _ in range(2 * full + shared))
        self.spectrum_norm, self.basis_norm = nn.RMSNorm(units), nn.RMSNorm(units)
        self.spectrum_mask = nn.Linear(units, stems * self.mask_channels * masks)
        self.basis_mask = nn.Linear(units, stems * config.bases)
        self.decoder = nn.Linear(config.bases, config.channels * config.window, bias=False)
        nn.init.normal_(self.decoder.weight, std=1e-3)  # the waveform branch starts almost silent

    # -- the path, for any number of frames at once: (batch, T, ...) ------------------------------------------

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return spectra (b, T, c, 2 K), the spectrogram features (b, T, f) and the bases (b, T, n)."""
        bins = spectrum(frames, self.taper)
        if self.config.bands:
            features = band_features(bins, self.pool, self.channels == 2)
        else:
            features = bins.unflatten(-1, (2, -1)).square().sum(-2).sqrt().mean(-2)
        signal, gate = self.encoder(frames.flatten(-2)).chunk(2, -1)
        return bins, features, torch.relu(signal) * torch.sigmoid(gate)

    def remember(self, features: Tensor, bases: Tensor, run: MemoryRunner) -> tuple[Tensor, Tensor]:
        """Return what the two mask layers see; `run` carries the memories over a signal or over one frame."""
        a_in, b_in = self.spectrum_in(features), self.basis_in(bases)
        a, b = run(self.spectrum_memory, a_in), run(self.basis_memory, b_in)
        if self.config.fusion == "full":
            a, b = run(self.fused_memory, torch.cat((a, b), -1)).chunk(2, -1)
            return run(self.late_memories[0], a + a_in), run(self.late_memories[1], b + b_in)
        fused = run(self.fused_memory, a + b)
        if self.config.fusion == "shared":
            fused = run(self.late_memories[0], fused + a_in + b_in)
            return fused, fused
        return fused + a_in, fused + b_in

    def apply_masks(self, bins: Tensor, bases: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Return the masked spectra (b, T, stems, c 2 K) and the masked bases (b, T, stems, n)."""
        stems = len(self.stems)
        masks = torch.sigmoid(self.spectrum_mask(self.spectrum_norm(a)))
        masks = masks.unflatten(-1, (stems, self.mask_channels, -1)) @ self.spread  # (b, T, s, c or 1, K)
        parts = bins.unflatten(-1, (2, -1)).unsqueeze(-4)  # (b, T, 1, c, 2, K)
        spectral = (masks.unsqueeze(-2) * parts).flatten(-3)
        return spectral, torch.relu(self.basis_mask(self.basis_norm(b))).unflatten(-1, (stems, -1)) * bases.unsqueeze(
            -2
        )

    def basis_spectra(self) -> Tensor:
        """Return the windowed spectra (n, c 2 K) of the decoder's filters."""
        filters = self.decoder.weight.T.unflatten(-1, (self.channels, self.window))  # (n, c, window)
        return spectrum(filters, self.taper).flatten(-2)

    def spectra(self, mix: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the stems' windowed spectra (b, T, stems, c, 2 K) of a mixture (b, c, frames).

        `weight` (b,) scales each example's output: a loss can weigh examples without a pass over the result.
        """
        frames = frame(mix, self.window, self.hop).transpose(1, 2)  # (b, T, c, window)
        bins, features, bases = self.encode(frames)
        a, b = self.remember(features, bases, lambda memory, x: memory(x))
        if weight is not None:
            bins, bases = bins * weight[:, None, None, None], bases * weight[:, None, None]
        spectral, weights = self.apply_masks(bins, bases, a, b)
        rows = torch.addmm(spectral.flatten(0, -2), weights.flatten(0, -2), self.basis_spectra())
        return rows.view(*spectral.shape[:-1], self.channels, -1)

    def forward(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) into (batch, stems, channels, frames)."""
        frames = inverse_spectrum(self.spectra(mix), self.window) * self.taper  # (b, T, s, c, window)
        return overlap_add(frames.permute(0, 2, 3, 1, 4), self.hop, mix.shape[-1])

    # -- hop by hop --------------------------------------------------------------------------------------------

    def memories(self) -> list[Memory]:
        """Return the memories in path order: the order of `HSTasNetState.memories`."""
        early = [self.spectrum_memory, self.basis_memory, self.fused_memory]
        return early + [memory for memory in self.late_memories if isinstance(memory, Memory)]

    def initial_state(self, batch: int = 1) -> HSTasNetState:
        """Return silence before the first hop."""
        late = self.window - self.hop
        device = self.decoder.weight.device
        return HSTasNetState(
            torch.zeros(batch, self.channels, late, device=device),
            torch.zeros(batch, len(self.stems), self.channels, late, device=device),
            tuple(torch.zeros(m.lstm.num_layers, 2, batch, m.lstm.hidden_size, device=device) for m in self.memories()),
        )

    def step(self, hop: Tensor, state: HSTasNetState) -> tuple[Tensor, HSTasNetState]:
        """Separate the next hop; see `SeparatorNet.step`."""
        frames = torch.cat((state.history, hop), -1)  # (b, c, window)
        bins, features, bases = self.encode(frames)
        known = self.memories()
        order = {id(memory): index for index, memory in enumerate(known)}
        after = list(state.memories)

        def run(memory: nn.Module, x: Tensor) -> Tensor:
            index = order[id(memory)]
            output, after[index] = known[index].step(x, after[index])
            return output

        a, b = self.remember(features, bases, run)
        spectral, weights = self.apply_masks(bins, bases, a, b)
        output = inverse_spectrum(spectral.unflatten(-1, (self.channels, -1)), self.window)
        output = (output + self.decoder(weights).unflatten(-1, (self.channels, -1)) * self.taper) * self.taper
        output[..., : self.window - self.hop] += state.overlap
        ready, overlap = output[..., : self.hop], output[..., self.hop :]
        return ready, HSTasNetState(frames[..., self.hop :], overlap, tuple(after))
