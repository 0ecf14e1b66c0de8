"""HS-TasNet (Venkatesh, Benilov, Coleman, Roskam 2024, arXiv 2402.17701): hybrid spectrogram and waveform.

              +-- |STFT| ----- linear -- memory --+            +-- memory -- mask x STFT ----- iSTFT --+
    frame ----+                                   +-- memory --+   (+ skip from the encoder)           +-- sum
              +-- gated bases - linear - memory --+            +-- memory -- mask x bases - decoder ---+

One configuration gives all sizes. "full" concatenates the branches and has a memory per branch after the fusion;
"small" sums them and has none; "shared" sums them and has one memory for both (ours, for small machines).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hearsim.separation.bands import band_features, band_matrices
from hearsim.separation.framing import spectrum
from hearsim.separation.net import Masked, Memory, NetConfig, SeparatorNet


@dataclass(frozen=True, kw_only=True)
class HSTasNetConfig(NetConfig):
    """Sizes of an HS-TasNet; the defaults are the paper's full network."""

    units: int = 500
    layers: int = 2
    bases: int = 1000
    fusion: Literal["full", "small", "shared"] = "full"
    bands: int = 0
    """Bands that pool the bins, per channel; 0 is one magnitude a bin, the mean of the channels."""


FULL = HSTasNetConfig()
SMALL = HSTasNetConfig(layers=1, fusion="small")
LITE = HSTasNetConfig(units=256, layers=1, bases=128, fusion="shared", bands=160)
LITE_6MS = HSTasNetConfig(hop=128, units=256, layers=1, bases=128, fusion="shared", bands=160)


def _as_weights(x: Tensor) -> Tensor:
    """Return a tensor in the precision of products: half as large under autocast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


class HSTasNet(SeparatorNet):
    """HS-TasNet of any size; see the module's picture."""

    pool: Tensor

    def __init__(self, config: HSTasNetConfig = FULL) -> None:
        super().__init__(config)
        self.config: HSTasNetConfig = config
        units, bins, stems = config.units, config.window // 2 + 1, len(config.stems)
        self.mask_channels, inputs, masks = 1, bins, bins
        if config.bands:
            pool, spread = band_matrices(config.rate, config.window, config.bands)
            self.register_buffer("pool", pool, persistent=False)  # (bins, bands)
            self.register_buffer("spread", spread, persistent=False)  # (bands, bins)
            features_per_band = config.channels + (config.channels == 2)
            self.mask_channels, inputs, masks = config.channels, config.bands * features_per_band, config.bands

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
        self.decoder: nn.Linear = nn.Linear(config.bases, config.channels * config.window, bias=False)
        nn.init.normal_(self.decoder.weight, std=1e-3)  # the waveform branch starts almost silent

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return spectra (b, T, c, 2 K), the spectrogram features (b, T, f) and the bases (b, T, n)."""
        found = [self._spectrogram(example) for example in frames]  # one by one: each stays in the cache
        bins, features = (torch.stack(each) for each in zip(*found, strict=True))
        signal, gate = self.encoder(_as_weights(frames).flatten(-2)).chunk(2, -1)
        return bins, features, torch.relu(signal) * torch.sigmoid(gate)

    def _spectrogram(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectra (T, c, 2 K) and the features (T, f) of one example's frames."""
        bins = spectrum(frames, self.analysis)
        if self.config.bands:
            features = band_features(bins, self.pool, self.channels == 2)
        else:
            features = bins.unflatten(-1, (2, -1)).square().sum(-2).sqrt().mean(-2)
        return _as_weights(bins), _as_weights(features)

    def remember(
        self, features: Tensor, bases: Tensor, states: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return what the two mask layers see (b, T, units), and the states of the memories."""
        a_in, b_in = self.spectrum_in(features), self.basis_in(bases)
        a, state_a = self.spectrum_memory(a_in, states[0])
        b, state_b = self.basis_memory(b_in, states[1])
        joined = torch.cat((a, b), -1) if self.config.fusion == "full" else a + b
        fused, state_f = self.fused_memory(joined, states[2])
        if self.config.fusion == "full":
            a, b = fused.chunk(2, -1)
            a, late_a = self.late_memories[0](a + a_in, states[3])
            b, late_b = self.late_memories[1](b + b_in, states[4])
            return a, b, (state_a, state_b, state_f, late_a, late_b)
        if self.config.fusion == "shared":
            fused, late = self.late_memories[0](fused + a_in + b_in, states[3])
            return fused, fused, (state_a, state_b, state_f, late)
        return fused + a_in, fused + b_in, (state_a, state_b, state_f)

    def masked(self, frames: Tensor, memories: tuple[Tensor, ...]) -> Masked:  # noqa: D102
        bins, features, bases = self.encode(frames)
        a, b, after = self.remember(features, bases, memories)
        masks = torch.sigmoid(self.spectrum_mask(self.spectrum_norm(a)))
        masks = masks.unflatten(-1, (len(self.stems), self.mask_channels, -1))  # (b, T, stems, c or 1, bands or K)
        weights = torch.relu(self.basis_mask(self.basis_norm(b))).unflatten(-1, (len(self.stems), -1))
        return Masked(masks, bins, weights * bases.unsqueeze(-2), after)

    def memories(self) -> list[Memory]:  # noqa: D102
        early = [self.spectrum_memory, self.basis_memory, self.fused_memory]
        return early + [memory for memory in self.late_memories if isinstance(memory, Memory)]
