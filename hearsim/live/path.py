"""The worker's signal path: the aid with a bypass in three steps, and the hearing loss, all with the same latency.

x -+- separate + remix -+-- Compensation --- aid -+
   |                    +----------------- remix -+- select, level-matched - MpoLimiter - ToFullScale -+- delay ---+
   +- delay ------------------------------- dry --+                                                    +- Ear -----+- y
   +--------------------------------------------------------------------------------- unaided ear ------- delay ---+

The stages are those of `hearing_aid`, so the step "aid" equals aided.wav of `hearsim render`, bit for bit.
With the hearing loss on, levels are not matched (their loss is what it simulates): the step "aid" is then heard.wav
and the step "dry" unaided.wav. Moves are at samples of the source, before all latency.
"""

import math
from collections.abc import Sequence

import numpy as np

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.aid.limiter import MpoLimiter, ceiling_pa
from hearsim.aid.remix import RAMP_MS, Remix
from hearsim.aid.separator import Separator
from hearsim.core.audio import Format
from hearsim.core.calibration import ToPascal
from hearsim.core.composites import Chain, Delay
from hearsim.core.latency import LatencyEntry
from hearsim.core.processor import Processor, find
from hearsim.core.units import Curve, FloatArray, ms_to_samples
from hearsim.dsp.level_match import match_levels
from hearsim.dsp.ramps import Ramp
from hearsim.ear.ear import Ear, unaided
from hearsim.live.events import STEPS, MixerState
from hearsim.profile.schema import STEMS, Profile

MATCH_SECONDS = 2.0  # time constant of the level match: of bars, not of beats


class LivePath(Processor):
    """The aid of a profile with a mixer; full scale in, full scale out. Used by one thread.

    `remix`, `limiter` and `separator` are its stages, with their meters and counters. With `loss` the hearing-loss
    simulation can be switched on and off, and all steps wait for it. It has hops of its own, so with it the
    output for other host blocks is not bit-equal.
    """

    def __init__(self, profile: Profile, loss: bool = False) -> None:
        self._profile, aid = profile, hearing_aid(profile)
        fitted, limited = aid.index(ToPascal) + 1, aid.index(MpoLimiter)
        self._remixing = Chain(*aid.stages[:fitted])  # to pascals
        self._fitting = Chain(*aid.stages[fitted:limited])
        self._ending = Chain(*aid.stages[limited:])
        self._aid = Chain(self._remixing, self._fitting, self._ending, name=aid.name)
        self.remix, self.limiter = find(self._aid, Remix), find(self._aid, MpoLimiter)
        self.separator = find(self._aid, Separator)
        self._dry_to_pascal = ToPascal(profile.rig.microphone)
        self._loss = (Ear(profile), unaided(profile)) if loss else None
        self.mixer = MixerState({stem: profile.mix.gain(stem) for stem in STEMS})

    @property
    def name(self) -> str:  # noqa: D102
        return f"live {self._aid.name}"

    @property
    def loss_latency(self) -> int:
        """Samples that the hearing-loss simulation (and the delay of a vented ear's model) adds."""
        if self._loss is None:
            return 0
        ear, _ = self._loss
        return ear.latency + (self._profile.block_samples if ear.vented else 0)

    @property
    def latency(self) -> int:  # noqa: D102
        return self._aid.latency + self.loss_latency

    @property
    def inside(self) -> Sequence[Processor]:  # noqa: D102
        return (self._aid,)  # the other branches get the same samples, and would count invalid ones twice

    @property
    def ceiling(self) -> FloatArray:
        """The largest output magnitude (2,) in full scale, per ear; see `ceiling_of`."""
        return ceiling_of(self._profile)

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        loss = (LatencyEntry("hearing-loss simulation", self.loss_latency, "algorithm"),) if self._loss else ()
        return (*self._aid.latency_entries(), *loss)

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        output = self._aid.prepare(fmt)
        self._dry = Delay(self._remixing.latency + self._fitting.latency)
        self._mixed = Delay(self._fitting.latency)
        self._mixed.prepare(self._dry_to_pascal.prepare(self._dry.prepare(fmt)))
        self._ramp = ms_to_samples(RAMP_MS, fmt.rate)
        self._upstream_latency = fmt.upstream_latency
        self._steps = np.zeros((len(STEPS), *fmt.shape), np.float32)
        self._selected, self._scaled = np.zeros(fmt.shape, np.float32), np.zeros(fmt.shape, np.float32)
        self._decay = math.exp(-1 / (MATCH_SECONDS * fmt.rate))
        self._powers, self._matches = np.zeros(len(STEPS)), np.ones(len(STEPS))
        self._gains = np.ones((len(STEPS), fmt.block))
        if self._loss is not None:
            ear, bare = self._loss
            ear.prepare(fmt)
            bare.prepare(fmt)
            self._plain, self._bare = Delay(self.loss_latency), Delay(self.latency - bare.latency)
            self._plain.prepare(output)
            self._bare.prepare(output)
            self._out = np.zeros(output.shape, np.float32)
        self.reset()
        self.process(np.zeros(fmt.shape, np.float32))  # compiles the loop here, not in the first block
        self.reset()
        return output

    def configure(self, mixer: MixerState, at: int | None = None) -> int:
        """Move to a mixer state in ramps of 10 ms, from sample `at` of the source on; return where the move begins.

        None, or a sample that has passed, means the next that the remix has before it. Moves are given in order.
        """
        self.mixer = mixer
        begins = self.remix.configure(mixer.gains, at)
        self._select.move(self._selection(), begins, self._ramp)
        self._final.move(self._final_weights(), begins, self._ramp)
        return begins

    def start(self, mixer: MixerState) -> None:
        """Return to the state right after `prepare`, at a mixer state, without ramps."""
        self.mixer = mixer
        self.remix.configure(mixer.gains)
        self.reset()

    @property
    def match(self) -> float:
        """The gain in full scale that brings the dry input to the level of the present selection."""
        calibrated = self._profile.rig.microphone.pascal_per_unit / self._profile.rig.headphones.pascal_per_unit
        return calibrated * (1.0 if self.mixer.loss else float(self._matches[0]))

    def _selection(self) -> Curve:
        """Weights of the three steps, and of the level match."""
        return np.array([*(float(step == self.mixer.step) for step in STEPS), float(not self.mixer.loss)])

    def _final_weights(self) -> Curve:
        """Weights of the output without a loss, of the aided ear with it, and of the unaided ear with it."""
        loss, dry = self.mixer.loss, self.mixer.step == "dry"
        return np.array([float(not loss), float(loss and not dry), float(loss and dry)])

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        frames = block.shape[-1]
        dry, mixed, aided = self._steps
        dry[...] = self._dry_to_pascal.process(self._dry.process(block))
        remixed = self._remixing.process(block)
        mixed[...] = self._mixed.process(remixed)
        aided[...] = self._fitting.process(remixed)
        match_levels(self._steps, self._decay, self._powers, self._matches, self._gains)
        for part, weights in self._select.segments(frames):
            match = weights[-1]
            factors = [weights[k] * (1 + match * (self._gains[k, part] - 1)) for k in range(len(STEPS))]
            self._weigh(self._steps, self._selected, part, factors)
        out = self._ending.process(self._selected)
        if self._loss is None:
            return out
        ear, bare = self._loss
        signals = (self._plain.process(out), ear.process(out, block), self._bare.process(bare.process(block)))
        for part, weights in self._final.segments(frames):
            self._weigh(signals, self._out, part, list(weights))
        return self._out

    def _weigh(
        self, signals: "FloatArray | tuple[FloatArray, ...]", out: FloatArray, part: slice, factors: list[Curve]
    ) -> None:
        """Sum signals by their factors; a signal alone with the factor one comes through bit for bit."""
        out[:, part] = -0.0
        for signal, factor in zip(signals, factors, strict=True):
            if np.any(factor):
                out[:, part] += np.multiply(signal[:, part], np.float32(factor), out=self._scaled[:, part])

    def reset(self) -> None:  # noqa: D102
        self._aid.reset()
        self._dry.reset()
        self._mixed.reset()
        self._powers.fill(0.0)
        self._matches.fill(1.0)
        self._select = Ramp(self._selection(), -self._upstream_latency - self._dry.latency)
        self._final = Ramp(self._final_weights(), -self._upstream_latency - self.latency)
        if self._loss is not None:
            for stage in (*self._loss, self._plain, self._bare):
                stage.reset()


def ceiling_of(profile: Profile) -> FloatArray:
    """Return the largest magnitude (2,) for the headphones, in full scale, per ear.

    The peak of a sine at the profile's MPO, as `MpoLimiter` and `ToFullScale` compute it.
    """
    factor = np.float32(1 / profile.rig.headphones.pascal_per_unit)
    return np.array([ceiling_pa(mpo) for mpo in profile.mpo_db_spl], np.float32) * factor
