"""Plug-ins of other packages are found by name, imported when used, and a broken one is named."""

from pathlib import Path

import pytest
from packages import install

from hearsim.core.errors import HearsimError
from hearsim.core.plugins import load_plugin, plugin_names


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_is_listed_without_import_and_loaded_by_name(site: Path) -> None:
    install(site, "broken-pack", "[hearsim.metrics]\nb-metric = broken_pack:metric\n", "raise OSError('no licence')")
    install(site, "good-pack", "[hearsim.metrics]\na-metric = good_pack:metric\n", "metric = 7")
    assert plugin_names("hearsim.metrics") == ["a-metric", "b-metric"]
    assert plugin_names("hearsim.fittings") == []
    assert load_plugin("hearsim.metrics", "a-metric") == 7
    with pytest.raises(HearsimError, match=r"'b-metric' .*broken-pack .*OSError: no licence.*repair"):
        load_plugin("hearsim.metrics", "b-metric")
    with pytest.raises(HearsimError, match=r"no installed package offers 'a-metrik' .*did you mean a-metric"):
        load_plugin("hearsim.metrics", "a-metrik")


def test_a_name_belongs_to_one_package_only(site: Path) -> None:
    install(site, "one-pack", "[hearsim.stages]\nreverb = one_pack:Reverb\n")
    assert plugin_names("hearsim.stages") == ["reverb"]
    with pytest.raises(HearsimError, match=r"one-pack offers 'reverb' .* hearsim's own"):
        plugin_names("hearsim.stages", own=("reverb",))
    install(site, "two-pack", "[hearsim.stages]\nreverb = two_pack:Reverb\n")
    with pytest.raises(HearsimError, match="one-pack and two-pack both offer 'reverb'"):
        load_plugin("hearsim.stages", "reverb")
