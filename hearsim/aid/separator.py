"""The separator stage: a network inside the chain, hop by hop."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hearsim.core.arguments import kind_of
from hearsim.core.audio import Format
from hearsim.core.errors import FormatError, HearsimError
from hearsim.core.invalid_samples import MAX_FULL_SCALE, zero_invalid
from hearsim.core.latency import LatencyEntry
from hearsim.core.processor import Processor
from hearsim.core.units import FloatArray
from hearsim.separation.models import ModelInfo, NetworkIdentity, load_network, network_sha256

if TYPE_CHECKING:
    from hearsim.separation.backends.torch_cpu import TracedNetwork
    from hearsim.separation.net import SeparatorNet

Tap = Callable[[FloatArray, FloatArray], None]
"""Gets one hop of the mixture (channels, hop) and of the stems (stems, channels, hop); both valid until it returns."""


class Separator(Processor):
    """Separates a mixture: (channels, hop) in, (stems, channels, hop) out, window - hop samples late.

    Works on blocks of the network's hop only (wrap it in `Reblock`). Mono goes to both of a stereo network's channels.
    While both channels have been equal since the beginning, both channels of a stem are their mean. The first hop with
    different channels fades from that mean to the network's output. Invalid samples are silence to the network, so
    its state stays valid. A hop with non-finite output becomes silence, is counted in `non_finite_blocks`, and
    the network's state is reset: with a residual remix the listener then hears the unchanged mixture.

    `tap`, if set, gets each hop of the mixture and of the stems for the remix. The first hop
    begins with the first sample after `prepare` or `reset`; the stems are `latency` samples later than the mixture.
    `threads` is the number of threads of a step, 1 in an aid.
    """

    tap: Tap | None = None
    threads: int = 1
    _info: ModelInfo | None = None  # of a network with a model.toml
    _width: Literal["silent", "mono", "stereo"] = "silent"  # of the mixture since the beginning

    def __init__(self, model: "str | Path | SeparatorNet") -> None:
        named: object = model
        if not isinstance(named, str | Path) and (isinstance(named, type) or not hasattr(named, "hop")):
            raise HearsimError(
                f"Separator: model = {kind_of(named)}: give a model's name, its folder, or a SeparatorNet"
            )
        self._model = model
        self.backend = ""

    @property
    def name(self) -> str:  # noqa: D102
        return "Separator"

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        return (LatencyEntry("overlap-add (window - hop)", self.latency, self.kind),)

    @property
    def latency(self) -> int:  # noqa: D102
        return self._net.latency

    @property
    def hop(self) -> int:
        """The block size of this stage; loads the model."""
        self._load()
        return self._net.hop

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings, with a user's network; a model is loaded again by its name."""
        settings = {"_model": self._model, "backend": "", "threads": self.threads}
        return settings if isinstance(self._model, str | Path) else {**settings, "_net": self._model}

    def _load(self) -> None:
        if hasattr(self, "_net"):
            return
        self._net: SeparatorNet
        self._net, self._info = load_network(self._model)

    def identity(self) -> NetworkIdentity:
        """Return name, checksum and number of parameters of the network; loads the model."""
        self._load()
        name = str(self._model) if isinstance(self._model, str | Path) else type(self._net).__name__
        sha256 = self._info.sha256 if self._info else network_sha256(self._net)
        return NetworkIdentity(name, sha256, self._net.parameter_count())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        from hearsim.separation.backends.torch_cpu import TorchStep

        self._load()
        net = self._net
        if fmt.rate != net.rate:
            cure = "resample it (hearsim.read, soxr.resample)"
            raise FormatError(f"{self.name} needs {net.rate} Hz, got {fmt.rate} Hz: {cure}")
        if fmt.block != net.hop:
            raise self.refuse(fmt, f"its network works in hops of {net.hop}: wrap it in Reblock(..., {net.hop})")
        if fmt.unit != "fs" or fmt.stems:
            raise self.refuse(fmt, "it needs a mixture in full scale")
        if fmt.channels not in (1, net.channels):
            raise self.refuse(fmt, f"its network takes {net.channels} channels, or one for both")
        self._mono = fmt.channels != net.channels
        if not hasattr(self, "_separating"):
            self._separating = TorchStep(self._traced())
            self.backend = TorchStep.backend
        self._step = self._separating
        self._step.threads = self.threads
        output = Format(fmt.rate, fmt.channels, fmt.block, net.stems)
        self._input = np.zeros((net.channels, net.hop), np.float32)
        self._out = np.zeros(output.shape, np.float32)
        self._fade = np.linspace(0, 1, net.hop, dtype=np.float32)
        self.reset()
        return output

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        self._input[...] = zero_invalid(block, MAX_FULL_SCALE)
        stems = self._step(self._input)
        if np.isfinite(stems).all():
            self._out[...] = stems.mean(1, keepdims=True) if self._mono else self._as_wide_as_the_input(stems)
        else:
            self.non_finite_blocks += 1
            self._out.fill(0.0)
            self._step.reset()
        if self.tap is not None:
            self.tap(self._input, self._out)
        return self._out

    def _as_wide_as_the_input(self, stems: FloatArray) -> FloatArray:
        """Return stems (stems, channels, hop) whose channels are equal while those of the mixture are."""
        if self._width == "stereo" or len(self._input) == 1:
            return stems
        before = self._width
        if (self._input != self._input[:1]).any():
            self._width = "stereo"
        elif self._input.any():
            self._width = "mono"
        if "mono" not in (before, self._width):
            return stems
        mean: FloatArray = stems.mean(1, keepdims=True).repeat(stems.shape[1], axis=1)
        return mean if self._width == "mono" else mean + self._fade * (stems - mean)

    def probe(self, on: bool) -> None:
        """Set masks that pass the mixture while the latency is measured, or return to the network's."""
        from hearsim.separation.backends.torch_cpu import TorchStep

        self._step = TorchStep(self._traced(passthrough=True)) if on else self._separating

    def _traced(self, passthrough: bool = False) -> "TracedNetwork":
        """Return the traced network: a model's once per process, a user's own as its weights are now."""
        from hearsim.separation.backends.torch_cpu import trace, trace_model

        return (trace if self._info is None else trace_model)(self._net, passthrough)

    def reset(self) -> None:  # noqa: D102
        self._step.reset()
        self.non_finite_blocks = 0
        self._width = "silent"
