"""`hearsim bench networks`: the cost of each separation network, counted and timed, on one thread and on two.

The networks have random weights, which cost as much as trained ones, and run in the separator stage. Systems and
thread counts take turns, so that a slow moment of the machine affects all of them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hearsim.aid.separator import Separator
from hearsim.bench.blocks import LONGEST_S, time_blocks
from hearsim.bench.cost import StepCost, step_cost
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.files import write_csv
from hearsim.core.latency import Load, load_of
from hearsim.separation.net import NetConfig
from hearsim.separation.registry import SYSTEMS, build

THREADS = (1, 2)
ROUNDS = 5
WARM_UP = 5  # blocks before each round: the caches hold another network
COLUMNS = (
    *("system", "parameters", "live_ms", "multiply_adds_per_hop", "multiply_adds_per_second", "weight_bytes_per_hop"),
    *("deadline_ms", "threads", "p50_ms", "p99_ms", "max_ms"),
)


class SystemBench(NamedTuple):
    """The cost of a system: sizes, counts per hop, and times per hop for each number of threads."""

    name: str
    config: NetConfig
    parameters: int
    cost: StepCost
    loads: dict[int, Load]

    @property
    def multiply_adds_per_second(self) -> float:
        """Of matrix products, at the rate of the music."""
        return self.cost.multiply_adds * self.config.rate / self.config.hop


def bench_systems(
    seconds: float, systems: dict[str, NetConfig] = SYSTEMS, say: Callable[[str], None] = lambda _: None
) -> list[SystemBench]:
    """Return the cost of each system, timed over `seconds` of sound for each number of threads.

    `say` receives a line per step, since the whole takes minutes. Raises `HearsimError` where `seconds` are less than
    a hop a round, and for more than an hour.
    """
    stages: dict[str, tuple[Separator, Format]] = {}
    benches: dict[str, tuple[int, StepCost]] = {}
    for name, config in systems.items():
        if not ROUNDS * config.hop / config.rate <= seconds <= LONGEST_S:
            raise HearsimError(f"--seconds {seconds:g} can't be timed: give 1 to {LONGEST_S}")
        say(f"building {name}")
        net = build(config).eval()
        benches[name] = net.parameter_count(), step_cost(net)
        stages[name] = Separator(net), Format(config.rate, config.channels, config.hop)
        stages[name][0].prepare(stages[name][1])
    times: dict[tuple[str, int], list[float]] = {(name, threads): [] for name in systems for threads in THREADS}
    for round_ in range(1, ROUNDS + 1):
        for name, (stage, fmt) in stages.items():
            say(f"timing {name}, round {round_} of {ROUNDS}")
            blocks = WARM_UP + int(seconds / ROUNDS * fmt.rate / fmt.block)
            for threads in THREADS:
                stage.threads = threads
                stage.prepare(fmt)
                times[name, threads] += time_blocks(stage, fmt, blocks)[WARM_UP:]
    return [
        SystemBench(
            name,
            config,
            *benches[name],
            {threads: load_of(times[name, threads], stages[name][1]) for threads in THREADS},
        )
        for name, config in systems.items()
    ]


def lines(benches: list[SystemBench]) -> Iterator[str]:
    """Yield a table of the benches as text, a row per system."""
    yield (
        f"{'system':<20}{'M par.':>8}{'live ms':>9}{'GMAC/s':>8}{'MB/hop':>8}{'due ms':>8}"
        + "".join(f"{f'p50, {threads} thr.':>13}{'p99':>8}" for threads in THREADS)
    )
    for one in benches:
        deadline = next(iter(one.loads.values())).deadline_ms
        yield (
            f"{one.name:<20}{one.parameters / 1e6:>8.2f}{one.config.live_ms:>9.1f}"
            f"{one.multiply_adds_per_second / 1e9:>8.2f}{one.cost.weight_bytes / 1e6:>8.1f}{deadline:>8.2f}"
            + "".join(f"{load.p50_ms:>13.2f}{load.p99_ms:>8.2f}" for load in one.loads.values())
        )


def write_table(path: Path, benches: list[SystemBench]) -> None:
    """Write the benches to a CSV, a row for each system and number of threads."""
    rows = (
        row | {"live_ms": f"{row['live_ms']:.3f}", "multiply_adds_per_second": f"{row['multiply_adds_per_second']:.0f}"}
        for row in records(benches)
    )
    write_csv(path, COLUMNS, (row.values() for row in rows))


def records(benches: list[SystemBench]) -> list[dict[str, float | str]]:
    """Return the rows of the CSV as numbers by column."""
    return [
        {
            "system": one.name,
            "parameters": one.parameters,
            "live_ms": one.config.live_ms,
            "multiply_adds_per_hop": one.cost.multiply_adds,
            "multiply_adds_per_second": one.multiply_adds_per_second,
            "weight_bytes_per_hop": one.cost.weight_bytes,
            "deadline_ms": load.deadline_ms,
            "threads": threads,
            "p50_ms": load.p50_ms,
            "p99_ms": load.p99_ms,
            "max_ms": load.max_ms,
        }
        for one in benches
        for threads, load in one.loads.items()
    ]
