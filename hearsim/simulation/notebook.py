"""A notebook's view of the result of `hearsim.listen`: measures, a player for each sound, the ledger."""

from typing import TYPE_CHECKING

from hearsim.core.audio import players
from hearsim.core.errors import HearsimError
from hearsim.metrics.registry import heard_names, metric
from hearsim.pages.html import Cell, number, table

if TYPE_CHECKING:
    from hearsim.simulation.listening import Result


def result_html(result: "Result") -> str:
    """Return a result as HTML. Measures that can't be computed say why."""
    profile = result.profile
    caption = f"{profile.listener.name}, mix {profile.mix.name}, aid {profile.aid.name}"
    sounds = {"unaided": result.unaided, "aided": result.aided, "heard": result.heard}
    return "".join((players(sounds), scores_table(result, caption), result.ledger._repr_html_()))


def scores_table(result: "Result", caption: str) -> str:
    """Return the measures of a result as a table."""
    rows: list[list[Cell]] = []
    for name in heard_names():
        try:
            rows.append([name, metric(name).sentence, number(result.score(name), 3), metric(name).unit])
        except HearsimError as error:
            rows.append([name, metric(name).sentence, str(error)])
    return table(caption, ["measure", "meaning", "value", "unit"], rows, 2)
