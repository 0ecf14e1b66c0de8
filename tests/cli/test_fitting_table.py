"""The fitting table says which compression ratio is in force where it is not the one set, and what is not in it."""

from pathlib import Path

import pytest
from packages import install
from rich.table import Table
from typer.testing import CliRunner

from hearsim.cli.app import app
from hearsim.cli.tables import fitting
from hearsim.profile.schema import Profile
from hearsim.report.report_json import fitting as fitting_of

STAGE = """
import hearsim

def make(profile):
    return hearsim.Delay(0)
"""


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


def test_the_stages_of_other_packages_are_said_not_to_be_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "soft-pack", "[hearsim.stages]\nsoft = soft_pack:make\n", STAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    aid = 'scenario = "closed dome"\nrule = "nal-r"\nmpo_db_spl = 100\n'
    for name, stages in (("plain", ""), ("soft", 'stages = ["soft"]\n')):
        (tmp_path / f"{name}-aid.toml").write_text(aid + stages)
        profile = f'listener = "N3"\nmix = "flat"\naid = "{name}-aid.toml"\nrig = "aid"\n'
        (tmp_path / f"{name}.toml").write_text(profile)
    shown = {
        name: CliRunner().invoke(app, ["show", str(tmp_path / f"{name}.toml")]).stdout for name in ("plain", "soft")
    }
    assert shown["soft"].endswith("not in these gains: the aid's own stages, which come after (soft)\n")
    assert "Gain of the aid, dB" in shown["plain"] and "not in these gains" not in shown["plain"]
