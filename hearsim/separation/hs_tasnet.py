"""HS-TasNet (Venkatesh, Benilov, Coleman, Roskam 2024, arXiv 2402.17701): hybrid spectrogram and waveform.

              +-- |STFT| ----- linear -- recurrent --+               +-- recurrent -- mask x STFT ----- iSTFT --+
    frame ----+                                      +-- recurrent --+   (+ skip from the encoder)              +-- sum
              +-- gated bases - linear - recurrent --+               +-- recurrent -- mask x bases - decoder ---+

One configuration gives all sizes, and the network without one of its parts for the ablations. With `conv_channels`,
convolutions encode the features for the recurrent blocks and refine the masks (`hearsim.separation.convolutions`).
"""

from typing import Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from hearsim.separation.bands import band_features, band_matrices, band_owners, compressed
from hearsim.separation.convolutions import Refinement
from hearsim.separation.framing import spectrum
from hearsim.separation.net import Count, MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.recurrent import RECURRENT_BLOCKS, RecurrentBlock, RecurrentKind, Stateful


class HSTasNetConfig(NetConfig):
    """Sizes of an HS-TasNet; the defaults are the paper's full network."""

    units: Count = 500
    layers: Count = 2
    bases: Count = 1000
    fusion: Literal["full", "small", "shared"] = "full"
    """"full" concatenates the branches and has a recurrent block for each after the fusion; "small" has none;
    "shared" sums them and has one for both (an addition, for small machines)."""
    bands: int = Field(default=0, strict=True, ge=0)
    """Bands that pool the bins, per channel; 0 is one magnitude a bin, the mean of the channels."""
    features: Literal["magnitude", "complex"] = "magnitude"
    """Input of the spectrogram branch, also that of its masks: magnitudes, or real and imaginary parts, all bins."""
    branch: Literal["both", "spectrum", "waveform"] = "both"
    """The hybrid, or a single branch."""
    memory: RecurrentKind = "lstm"
    skip: bool = Field(default=True, strict=True)
    """Whether the encoders' outputs are added after the fusion."""
    masks: Literal["free", "centred"] = "free"
    """"free" masks each stem separately, as in the paper. "centred" distributes the difference between the mixture and
    the stems' sum in equal parts, so that they sum to it (Wisdom et al. 2019, arXiv 1811.08521, without weights); the
    waveform branch's masks are then signed, as rectified ones can become and stay zero."""

    conv_channels: int = Field(default=0, strict=True, ge=0)
    """Channels of the convolutions over time and bands (`hearsim.separation.convolutions`; an addition); 0: none."""

    @field_validator("conv_channels")
    @classmethod
    def _conv_channels_need_bands(cls, conv_channels: int, others: ValidationInfo) -> int:
        has = others.data.get
        if conv_channels and (not has("bands") or has("features") != "magnitude" or has("branch") == "waveform"):
            raise ValueError("convolutions need bands, features = 'magnitude' and a spectrogram branch: give 0")
        return conv_channels

    @field_validator("masks")
    @classmethod
    def _waves_alone_share_nothing(cls, masks: str, others: ValidationInfo) -> str:
        if masks == "centred" and others.data.get("branch") == "waveform":
            raise ValueError("the waveform branch alone can't share out the mixture: give 'free'")
        return masks

    @field_validator("bands")
    @classmethod
    def _bands_fit_the_window(cls, bands: int, others: ValidationInfo) -> int:
        if bands and "window" in others.data:
            band_owners(others.data["window"], bands)
        return bands


def _as_weights(x: Tensor) -> Tensor:
    """Return a tensor in the precision of products: half the size under autocast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


class HSTasNet(SeparatorNet):
    """HS-TasNet of any size; see the module's picture."""

    pool: Tensor

    def __init__(self, config: HSTasNetConfig) -> None:
        super().__init__(config)
        self.config: HSTasNetConfig = config
        units, layers, new_block = config.units, config.layers, RECURRENT_BLOCKS[config.memory]
        self.complex_masks = config.features == "complex"
        self.has_spectrum, self.has_waveform = config.branch != "waveform", config.branch != "spectrum"
        spectral, wave = self.has_spectrum, self.has_waveform
        inputs, masks = self._spectrum_sizes(config)
        # the optimizer's states in checkpoints have the order of the layers: do not change it
        if spectral:
            self.spectrum_in = nn.Linear(inputs, units)
        if wave:
            self.encoder = nn.Linear(config.channels * config.window, 2 * config.bases, bias=False)
            self.basis_in = nn.Linear(config.bases, units)
        if spectral:
            self.spectrum_recurrent = new_block(units, units, layers)
        if wave:
            self.basis_recurrent = new_block(units, units, layers)
        wide = (spectral + wave) * units if config.fusion == "full" else units
        self.fused_recurrent = new_block(wide, wide, layers)
        after_fusion = {"full": spectral + wave, "shared": 1, "small": 0}[config.fusion]
        self.mask_recurrent = nn.ModuleList(new_block(units, units, layers) for _ in range(after_fusion))
        if spectral:
            self.spectrum_norm = nn.RMSNorm(units)
        if wave:
            self.basis_norm = nn.RMSNorm(units)
        if spectral:
            self.spectrum_mask = nn.Linear(units, len(config.stems) * masks)
        if wave:
            self.basis_mask = nn.Linear(units, len(config.stems) * config.bases)
            self.decoder = nn.Linear(config.bases, config.channels * config.window, bias=False)
            nn.init.normal_(self.decoder.weight, std=1e-3)  # the waveform branch starts almost silent
        self.refinement: Refinement | None = None
        if config.conv_channels:
            features_per_band, masks_per_band = inputs // config.bands, len(config.stems) * config.channels
            self.refinement = Refinement(
                features_per_band, masks_per_band, config.bands, units, config.conv_channels, config.hop
            )

    def _spectrum_sizes(self, config: HSTasNetConfig) -> tuple[int, int]:
        """Return the numbers of spectral features and of mask values a stem; make the band matrices."""
        bins = config.window // 2 + 1
        if config.bands:
            pool, spread = band_matrices(config.window, config.bands)
            self.register_buffer("pool", pool, persistent=False)  # (bins, bands)
            self.register_buffer("spread", spread, persistent=False)  # (bands, bins)
        values = config.bands or bins
        if config.features == "complex":
            return config.channels * 2 * bins, config.channels * 2 * values
        if config.bands:
            return values * (config.channels + (config.channels == 2)), config.channels * values
        return bins, bins

    def _spectrogram(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectra (T, c, 2 K) and the features (T, f) of one example's frames."""
        bins = spectrum(frames, self.analysis)
        if self.complex_masks:
            features = compressed(bins).flatten(-2)
        elif self.config.bands:
            features = band_features(bins, self.pool, self.channels == 2)
        else:
            features = bins.unflatten(-1, (2, -1)).square().sum(-2).sqrt().mean(-2)
        return _as_weights(bins), _as_weights(features)

    def _masks(self, logits: Tensor) -> Tensor:
        """Return masks as in `MaskEstimate` from the mask layer's output (b, T, stems * values)."""
        values = self.config.bands or self.window // 2 + 1
        if self.complex_masks:
            masks = logits.unflatten(-1, (len(self.stems), self.channels, 2, values))
            unity = masks.new_tensor([1.0, 0.0])[:, None]
        else:
            masks = torch.sigmoid(logits).unflatten(-1, (len(self.stems), -1, values))
            unity = masks.new_ones(1)
        return self._share(masks, unity) if self.config.masks == "centred" else masks

    def _share(self, masks: Tensor, unity: Tensor) -> Tensor:
        """Return masks (b, T, stems, ...) that sum to `unity` over the stems."""
        return masks + (unity - masks.sum(2, keepdim=True)) / len(self.stems)

    def _run_recurrent(
        self, inputs: list[Tensor], states: tuple[Tensor, ...]
    ) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Return the input of each branch's mask layer (b, T, units), and the recurrent states."""
        results = [block(x, state) for block, x, state in zip(self._recurrent(), inputs, states, strict=False)]
        outputs, after = [output for output, _ in results], [state for _, state in results]
        full = self.config.fusion == "full"
        joined = torch.cat(outputs, -1) if full else sum(outputs[1:], outputs[0])
        fused, state = self.fused_recurrent(joined, states[len(inputs)])
        after.append(state)
        skips = inputs if self.config.skip else []
        if self.config.fusion == "shared":
            fused, state = self.mask_recurrent[0](sum(skips, fused), states[-1])
            return [fused] * len(inputs), (*after, state)
        parts = list(fused.chunk(len(inputs), -1)) if full else [fused] * len(inputs)
        if skips:
            parts = [part + skip for part, skip in zip(parts, skips, strict=True)]
        for index, block in enumerate(self.mask_recurrent):
            parts[index], state = block(parts[index], states[len(inputs) + 1 + index])
            after.append(state)
        return parts, tuple(after)

    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:  # noqa: D102
        recurrent = len(self._recurrent())
        states, local = recurrent_states[:recurrent], recurrent_states[recurrent:]
        inputs: list[Tensor] = []
        masks = bins = weights = channels = None
        if self.has_spectrum:
            encoded = [self._spectrogram(example) for example in frames]  # one by one: each stays in the cache
            bins, features = (torch.stack(each) for each in zip(*encoded, strict=True))
            inputs.append(self.spectrum_in(features))
            if self.refinement is not None:
                channels, to_recurrent, encoder_states = self.refinement.encode(self._channels_last(features), local)
                inputs[0] = inputs[0] + to_recurrent
        if self.has_waveform:
            signal, gate = self.encoder(_as_weights(frames).flatten(-2)).chunk(2, -1)
            bases = torch.relu(signal) * torch.sigmoid(gate)
            inputs.append(self.basis_in(bases))
        parts, after = self._run_recurrent(inputs, states)
        if self.has_spectrum:
            logits = self.spectrum_mask(self.spectrum_norm(parts[0].float()))
            if self.refinement is not None and channels is not None:
                correction, refinement_states = self.refinement.refine_masks(
                    self._channels_last(logits), channels, local
                )
                logits = logits + correction.transpose(-1, -2).flatten(-2)
                after = (*after, *encoder_states, *refinement_states)
            masks = self._masks(logits)
        if self.has_waveform:
            weights = self.basis_mask(self.basis_norm(parts[-1].float())).unflatten(-1, (len(self.stems), -1))
            centred = self.config.masks == "centred"
            weights = self._share(weights, weights.new_zeros(1)) if centred else torch.relu(weights)
            weights = weights * bases.unsqueeze(-2)
        return MaskEstimate(masks, bins, weights, after)

    def _channels_last(self, values: Tensor) -> Tensor:
        """Return values of bands (b, T, channels * bands) as (b, T, bands, channels)."""
        by_band: Tensor = values.unflatten(-1, (-1, self.config.bands)).transpose(-1, -2)
        return by_band

    def _recurrent(self) -> list[RecurrentBlock]:
        encoders = [self.spectrum_recurrent] if self.has_spectrum else []
        encoders += [self.basis_recurrent] if self.has_waveform else []
        return [*encoders, self.fused_recurrent, *self.mask_recurrent]

    def stateful_modules(self) -> list[Stateful]:  # noqa: D102
        return [*self._recurrent(), *(self.refinement.convolutions() if self.refinement is not None else [])]
