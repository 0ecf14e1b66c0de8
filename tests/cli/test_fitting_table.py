"""The fitting table says which compression ratio is in force where it is not the one that is set."""

from rich.table import Table

from hearsim.cli.tables import fitting
from hearsim.profile.schema import Profile
from hearsim.report.report_json import fitting as fitting_of


def table_of(profile: Profile) -> Table:
    return fitting(fitting_of(profile))


def test_ratios_in_force_are_shown_where_they_differ() -> None:
    table = table_of(Profile("N2", aid="closed"))
    labels = list(table.columns[1].cells)
    assert labels.count("ratio (2 set)") == 2
    row = labels.index("ratio (2 set)")
    at_250, at_2k = (list(column.cells)[row] for column in (table.columns[2], table.columns[7]))
    assert (at_250, at_2k) == ("1.00", "2.00")


def test_nothing_is_said_where_the_set_ratio_is_in_force() -> None:
    assert not [label for label in table_of(Profile("N7", aid="closed")).columns[1].cells if "ratio" in label]
    assert not [label for label in table_of(Profile("N2", aid="none")).columns[1].cells if "ratio" in label]
