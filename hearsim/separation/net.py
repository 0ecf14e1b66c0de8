"""The base of every separation network: trained on whole signals, streamed hop by hop, with equal output.

A network estimates masks for the encodings of a frame (`estimate_masks`): a spectrum, learned bases, or both. This
module has the rest: framing, synthesis, overlap-add, state. `estimate_masks` does not apply the masks, so that
training applies them one example at a time, in the cache (training on a CPU is limited by memory traffic).

The law, for every network, with random weights: stream(x)[n] == forward(x)[n - latency].
"""

import abc
import copy
from typing import Annotated, Any, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from torch import Tensor, nn

from hearsim.separation.framing import frame, inverse_spectrum, overlap_add, spectrum, windows
from hearsim.separation.recurrent import Stateful, arrange_for_streaming

STEMS = ("vocals", "drums", "bass", "other")
Count = Annotated[int, Field(strict=True, ge=1)]
FORMER_KEYS = {
    "spectrum_memory": "spectrum_recurrent",
    "basis_memory": "basis_recurrent",
    "fused_memory": "fused_recurrent",
    "late_memories": "mask_recurrent",
    "memory": "recurrent",
    "place": "band_embedding",
    "early": "encoder_convolutions",
    "narrow": "bottleneck",
    "remembered": "to_recurrent",
    "guess": "mask_embedding",
    "late": "mask_convolutions",
}
"""Names of layers in models and checkpoints of earlier versions, and those of today."""


class NetConfig(BaseModel):
    """The configuration of all networks: rate in Hz, window, hop and synthesis window in samples, channels, stems.

    Raises pydantic's `ValidationError` for impossible sizes; `hearsim.separation.registry` formats it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    rate: Count = 44100
    window: Count = Field(default=1024, multiple_of=2)
    hop: Count = 512
    channels: Count = Field(default=2, le=2)
    stems: tuple[str, ...] = Field(default=STEMS, min_length=1)

    @property
    def synthesis_length(self) -> int:
        """Length of the synthesis window: two hops. Shorter than `window` it makes the windows asymmetric."""
        return 2 * self.hop

    @property
    def live_ms(self) -> float:
        """Live delay: one hop of input, and the delay of streaming."""
        return 1e3 * self.synthesis_length / self.rate

    @field_validator("hop")
    @classmethod
    def _hop_divides_the_window(cls, hop: int, others: ValidationInfo) -> int:
        window = others.data.get("window")
        if window is not None and (window % hop or 2 * hop > window):
            raise ValueError(f"it must divide the window of {window} into two, three or more hops")
        return hop


class NetState(NamedTuple):
    """The state of a stream from hop to hop."""

    history: Tensor  # (batch, channels, window - hop): the input before the newest hop
    overlap: Tensor  # (batch, stems, channels, synthesis_length - hop): incomplete output
    recurrent_states: tuple[Tensor, ...]  # (layers, parts, batch, units) each, in the order of `stateful_modules()`


class MaskEstimate(NamedTuple):
    """A network's estimate for frames; None for a missing branch."""

    masks: Tensor | None  # (batch, T, stems, channels or 1, K or bands); complex: (..., 2, K or bands)
    bins: Tensor | None  # (batch, T, channels, 2 K): the masked spectra, as from `spectrum`
    weights: Tensor | None  # (batch, T, stems, n): of the decoder's filters, masked
    recurrent_states: tuple[Tensor, ...]  # their states after the last frame


class SeparatorNet(nn.Module, abc.ABC):
    """A causal network that separates a mixture into stems; see the module."""

    analysis: Tensor
    synthesis: Tensor
    pool: Tensor | None
    spread: Tensor | None
    complex_masks = False
    """Whether masks have a real and an imaginary part."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.rate, self.window, self.hop = config.rate, config.window, config.hop
        self.synthesis_length = config.synthesis_length
        self.channels, self.stems = config.channels, config.stems
        self.decoder: nn.Linear | None = None  # filters (channels * window, n) of a waveform branch
        analysis, synthesis = windows(config.window, config.synthesis_length)
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)
        self.register_buffer("pool", None, persistent=False)  # (K, bands) where masks are of bands
        self.register_buffer("spread", None, persistent=False)  # (bands, K)

    @property
    def latency(self) -> int:
        """Latency of streaming in a file, in samples; live it is one hop more."""
        return self.synthesis_length - self.hop

    @abc.abstractmethod
    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:
        """Estimate the masks of (batch, T, channels, window) frames; `recurrent_states` are those before the first."""

    @abc.abstractmethod
    def stateful_modules(self) -> list[Stateful]:
        """Return the modules with a state, in the order of `NetState.recurrent_states`."""

    def initial_recurrent_states(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the states of the recurrent layers before the first frame."""
        return tuple(module.zero_state(batch, self.synthesis.device) for module in self.stateful_modules())

    def spectrum_filters(self) -> Tensor | None:
        """Return the windowed spectra of the decoder's filters, (n, channels * 2 K)."""
        if self.decoder is None:
            return None
        waves: Tensor = self.decoder.weight.T.unflatten(-1, (self.channels, self.window))  # (n, channels, window)
        return spectrum(waves, self.analysis).flatten(-2)

    def synthesis_filters(self) -> Tensor | None:
        """Return the ends of the decoder's filters, windowed twice, (n, channels * synthesis_length)."""
        if self.decoder is None:
            return None
        waves: Tensor = self.decoder.weight.T.unflatten(-1, (self.channels, self.window))[..., -self.synthesis_length :]
        return (waves * (self.analysis[-self.synthesis_length :] * self.synthesis)).flatten(-2)

    def spectra(self, estimate: MaskEstimate, filters: Tensor | None) -> Tensor:
        """Return the stems' windowed spectra (..., T, stems, channels, 2 K); `filters` as by `spectrum_filters`."""
        return self.add_waves(self._spectral(estimate), estimate.weights, filters)

    def synthesis_frames(self, estimate: MaskEstimate, filters: Tensor | None) -> Tensor:
        """Return the stems' windowed frames (..., T, stems, channels, synthesis_length).

        `filters` are those of `synthesis_filters`.
        """
        bins = self._spectral(estimate)
        if bins is not None:
            bins = inverse_spectrum(bins.float(), self.window)[..., -self.synthesis_length :] * self.synthesis
        return self.add_waves(bins, estimate.weights, filters)

    def add_waves(self, spectral: Tensor | None, weights: Tensor | None, filters: Tensor | None) -> Tensor:
        """Add the waveform branch, if there is one: weights (..., n) times filters (n, channels * length)."""
        if weights is None or filters is None:
            assert spectral is not None, "a network has at least one branch"
            return spectral
        waves: Tensor = (weights @ filters.to(weights.dtype)).unflatten(-1, (self.channels, -1))
        return waves if spectral is None else spectral + waves

    def _spectral(self, estimate: MaskEstimate) -> Tensor | None:
        """Apply the masks to the spectra: (..., T, stems, channels, 2 K)."""
        if estimate.masks is None or estimate.bins is None:
            return None
        masks = estimate.masks if self.spread is None else estimate.masks @ self.spread.to(estimate.masks.dtype)
        parts = estimate.bins.to(masks.dtype).unflatten(-1, (2, -1)).unsqueeze(-4)  # (..., 1, channels, 2, K)
        products: Tensor
        if self.complex_masks:
            (m_re, m_im), (re, im) = masks.unbind(-2), parts.unbind(-2)
            products = torch.cat((m_re * re - m_im * im, m_re * im + m_im * re), -1)
        else:
            products = (masks.unsqueeze(-2) * parts).flatten(-2)
        return products

    def forward(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) into (batch, stems, channels, frames), time-aligned."""
        frames = frame(mix, self.window, self.hop, self.synthesis_length).transpose(1, 2)
        estimate = self.estimate_masks(frames, self.initial_recurrent_states(mix.shape[0]))
        synthesis_frames = self.synthesis_frames(
            estimate, self.synthesis_filters()
        )  # (b, T, stems, c, synthesis_length)
        return overlap_add(synthesis_frames.permute(0, 2, 3, 1, 4), self.hop, mix.shape[-1])

    def initial_state(self, batch: int = 1) -> NetState:
        """Return the state before the first hop: silence."""
        device = self.synthesis.device
        return NetState(
            torch.zeros(batch, self.channels, self.window - self.hop, device=device),
            torch.zeros(batch, len(self.stems), self.channels, self.synthesis_length - self.hop, device=device),
            self.initial_recurrent_states(batch),
        )

    def streaming(self) -> Self:
        """Return a copy for `step`, with the weights arranged for one frame."""
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())}
        copied = copy.deepcopy(self, shared).eval()
        arrange_for_streaming(copied)
        return copied

    def step(self, hop: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        """Separate the next (batch, channels, hop) into (batch, stems, channels, hop), `latency` samples late."""
        frames = torch.cat((state.history, hop), -1)  # (b, channels, window)
        estimate = self.estimate_masks(frames.unsqueeze(1), state.recurrent_states)
        output = self.synthesis_frames(estimate, self.synthesis_filters()).squeeze(
            1
        )  # filters are a constant in a trace
        output[..., : self.synthesis_length - self.hop] += state.overlap
        ready, overlap = output[..., : self.hop], output[..., self.hop :]
        return ready, NetState(frames[..., self.hop :], overlap, estimate.recurrent_states)

    @torch.no_grad()
    def stream(self, mix: Tensor) -> Tensor:
        """Separate (batch, channels, frames) hop by hop; `latency` samples late, of the length of whole hops."""
        net, state, outputs = self.streaming(), self.initial_state(mix.shape[0]), []
        for start in range(0, mix.shape[-1] - self.hop + 1, self.hop):
            output, state = net.step(mix[..., start : start + self.hop], state)
            outputs.append(output)
        return torch.cat(outputs, -1)

    def with_passthrough_masks(self) -> Self:
        """Return a copy whose masks pass the mixture in equal shares, to measure the delay.

        Framing, windows, overlap-add and declared latency are those of this network.
        """
        values = self.window // 2 + 1 if self.spread is None else self.spread.shape[0]
        share = torch.full((len(self.stems), 1, values), 1 / len(self.stems))
        if self.complex_masks:
            share = torch.stack((share, torch.zeros_like(share)), -2)

        def estimate_masks(frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:
            masks = share.expand(*frames.shape[:2], *share.shape)
            return MaskEstimate(masks, spectrum(frames, self.analysis), None, recurrent_states)

        copied = copy.copy(self)
        object.__setattr__(copied, "estimate_masks", estimate_masks)
        return copied

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Load weights, those of `FORMER_KEYS` too: torch's place for it, called wherever this network is a part."""
        own = {prefix + key for key in self.state_dict()}
        for key in [key for key in state_dict if key.startswith(prefix) and key not in own]:
            layers = key.removeprefix(prefix).split(".")
            state_dict[prefix + ".".join(FORMER_KEYS.get(layer, layer) for layer in layers)] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def parameter_count(self) -> int:
        """Return the number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
