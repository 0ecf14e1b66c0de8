"""What a notebook shows for the result of `hearsim.listen`: measures, a player for each sound, the ledger."""

from typing import TYPE_CHECKING

from hearsim.core.audio import players
from hearsim.core.errors import HearsimError
from hearsim.core.latency import Budget
from hearsim.core.units import samples_to_ms
from hearsim.metrics.registry import heard_names, metric
from hearsim.pages.html import Cell, number, table

if TYPE_CHECKING:
    from hearsim.simulation.listening import Result


def result_html(result: "Result") -> str:
    """Return a result as HTML. Measures that can't be computed say why."""
    profile = result.profile
    caption = f"{profile.listener.name}, mix {profile.mix.name}, aid {profile.aid.name}"
    sounds = {"unaided": result.unaided, "aided": result.aided, "heard": result.heard}
    return "".join((players(sounds), scores_table(result, caption), ledger_table(result.ledger)))


def scores_table(result: "Result", caption: str) -> str:
    """Return the measures of a result as a table."""
    rows: list[list[Cell]] = []
    for name in heard_names():
        try:
            rows.append([name, metric(name).sentence, number(result.score(name), 3), metric(name).unit])
        except HearsimError as error:
            rows.append([name, metric(name).sentence, str(error)])
    return table(caption, ["measure", "meaning", "value", "unit"], rows, 2)


def ledger_table(ledger: Budget) -> str:
    """Return a latency ledger as a table, with its live delay in the last row."""
    rows: list[list[Cell]] = [
        [part.name, part.kind, part.source, str(part.samples), number(samples_to_ms(part.samples, ledger.rate), 2)]
        for part in ledger.parts
    ]
    rows.append(["live delay", "", "", str(ledger.total_samples), number(ledger.total_ms, 2)])
    return table("Latency ledger", ["part", "kind", "source", "samples", "ms"], rows, 2, sums=1)
