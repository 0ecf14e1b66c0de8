"""Several networks as one, with the mean of their stems (Breiman 1996, "Bagging predictors").

Errors of networks with other training examples or layers differ, so their mean is smaller. The cost is that of all
networks, the latency that of one.
"""

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from hearsim.separation.hs_tasnet import HSTasNet, HSTasNetConfig
from hearsim.separation.net import MaskEstimate, NetConfig, SeparatorNet
from hearsim.separation.recurrent import Stateful

ALIKE = ("rate", "window", "hop", "channels", "stems", "bands", "features")
"""The settings that members share, so that their masks have a mean."""


class EnsembleConfig(NetConfig):
    """The members; their common rate, window and so on are the ensemble's."""

    members: tuple[HSTasNetConfig, ...] = Field(min_length=2)

    @field_validator("members")
    @classmethod
    def _members_are_alike(
        cls, members: tuple[HSTasNetConfig, ...], others: ValidationInfo
    ) -> tuple[HSTasNetConfig, ...]:
        for member in members:
            if member.branch == "waveform":
                raise ValueError("a member without a spectrogram has no masks to average: leave it out")
            for key in ALIKE:
                value, other = getattr(member, key), others.data.get(key, getattr(members[0], key))
                if value != other:
                    raise ValueError(f"{key} is {value} in one and {other} in another: give networks that agree in it")
        return members


class Ensemble(SeparatorNet):
    """The mean of several HS-TasNets; see the module."""

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__(config)
        self.members = nn.ModuleList(HSTasNet(member) for member in config.members)
        first = self._members()[0]
        self.complex_masks = first.complex_masks
        self.register_buffer("spread", first.spread, persistent=False)

    def _members(self) -> list[HSTasNet]:
        return [member for member in self.members if isinstance(member, HSTasNet)]

    def stateful_modules(self) -> list[Stateful]:  # noqa: D102
        return [module for member in self._members() for module in member.stateful_modules()]

    def estimate_masks(self, frames: Tensor, recurrent_states: tuple[Tensor, ...]) -> MaskEstimate:  # noqa: D102
        estimates, at = [], 0
        for member in self._members():
            count = len(member.stateful_modules())
            estimates.append(member.estimate_masks(frames, recurrent_states[at : at + count]))
            at += count
        masks = torch.stack([one.masks for one in estimates if one.masks is not None]).mean(0)
        waves = [one.weights / len(estimates) for one in estimates if one.weights is not None]
        after = tuple(state for one in estimates for state in one.recurrent_states)
        return MaskEstimate(masks, estimates[0].bins, torch.cat(waves, -1) if waves else None, after)

    def spectrum_filters(self) -> Tensor | None:  # noqa: D102
        return self._joined([member.spectrum_filters() for member in self._members()])

    def synthesis_filters(self) -> Tensor | None:  # noqa: D102
        return self._joined([member.synthesis_filters() for member in self._members()])

    @staticmethod
    def _joined(filters: list[Tensor | None]) -> Tensor | None:
        there = [each for each in filters if each is not None]
        return torch.cat(there) if there else None
