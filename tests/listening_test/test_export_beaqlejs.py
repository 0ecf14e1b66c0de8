"""BeaqleJS's sessions, from the config to the tables; and in BeaqleJS itself, in Chromium.

BeaqleJS is not ours to ship: put a checkout of github.com/HSU-ANT/beaqlejs beside the project, or name it in BEAQLEJS.
"""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from export_sample import TINY, write_spec

from hearsim.core.errors import HearsimError
from hearsim.listening_test.analyse import analyse
from hearsim.listening_test.build import build

TWO = TINY.replace("[[songs]]", '[[participants]]\nid = "P02"\nlistener = "N3"\n[[songs]]')
CHECKOUT = Path(os.environ.get("BEAQLEJS", Path(__file__).parents[3] / "beaqlejs"))
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
Saved = list[Any]


@pytest.fixture(scope="module", params=["mushra", "paired"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    changes = {"method": f'"{request.param}"', "formats": '["beaqlejs"]'}
    return build(write_spec(folder, TWO, **changes), folder / "out")


@pytest.fixture
def export(exported: Path, tmp_path: Path) -> Path:
    """A copy of an export, without its sounds."""
    shutil.copytree(exported, tmp_path / "out", ignore=shutil.ignore_patterns("*.wav"))
    (tmp_path / "out" / "results").mkdir()
    return tmp_path / "out"


def config_of(export: Path, who: str) -> dict[str, Any]:
    text = (export / f"beaqlejs/config/tiny-{who}.js").read_text(encoding="utf-8")
    return json.JSONDecoder().raw_decode(text.removeprefix("var TestConfig = "))[0]


def manifest_of(export: Path) -> dict[str, Any]:
    return json.loads((export / "manifest.json").read_text(encoding="utf-8"))


def condition_of(export: Path, path: str) -> str:
    return next(one["condition"] for one in manifest_of(export)["stimuli"] if one["file"] == Path(path).name)


def save(export: Path, who: str, change: Callable[[Saved], object] = lambda saved: None, name: str = "") -> Path:
    """What BeaqleJS saves (beaqle.js, formatResults and DownloadTestResults), of one who knows all conditions."""
    scores = {"reference": 100, "anchor35": 0, "anchor70": 40, "unprocessed": 70}
    saved: Saved = []
    for one in config_of(export, who)["Testsets"]:
        known = {key: condition_of(export, path) for key, path in one["Files"].items()}
        if "Reference" in known:
            rating = {key: scores[condition] for key, condition in known.items()}
            saved.append({"TestID": one["TestID"], "Runtime": 1234, "rating": rating, "filename": one["Files"]})
        else:
            saved.append(known["B"] == "anchor35")
    saved += [{"UserName": f"tiny-{who}", "UserEmail": "", "UserComment": "Your comment..."}]
    change(saved)
    path = export / "results" / f"{name or who}.txt"
    path.write_text(json.dumps(saved), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_sessions_become_the_long_table_and_its_analysis(export: Path) -> None:
    again = {"UserName": "tiny-P02", "UserEmail": "", "UserComment": "twice & on"}
    save(export, "P01")
    save(export, "P02", lambda saved: saved.append(again))  # the button pressed a second time
    found = analyse(export)
    assert found.out == export / "results/analysis"
    means = {one.condition: one.mean for one in found.summary}
    table = read(found.out / "ratings.csv")
    assert {row["session_uuid"]: row["comment"] for row in table} == {"P01.txt": "", "P02.txt": "twice & on"}
    assert {row["participant"] for row in table} == {"P01", "P02"}
    if found.paired:
        assert means == {"anchor35": 1.0, "anchor70": 0.0, "unprocessed": 0.0}
        assert len(table) == 2 * (1 + 3) and [row["practice"] for row in table].count("1") == 2
    else:
        assert means == {"reference": 100.0, "anchor35": 0.0, "anchor70": 40.0, "unprocessed": 70.0}
        assert len(table) == 2 * 2 * 4 and {row["rating_time"] for row in table} == {"1234"}
    assert analyse(found.out / "ratings.csv", export / "manifest.json", export / "again").summary == found.summary
    assert len({one.listeners for one in analyse(export / "results/P01.txt", out=export / "one").summary}) == 1


def test_bad_sessions_are_one_sentence(export: Path) -> None:
    def refused(change: Callable[[Saved], object]) -> str:
        save(export, "P01", change)
        with pytest.raises(HearsimError) as error:
            analyse(export)
        assert not (export / "results/analysis").exists()
        return str(error.value)

    path = export / "results/P01.txt"
    said = refused(lambda saved: saved[-1].update(UserName="Anna"))
    assert said.startswith(f"{path}: UserName = 'Anna' is not a participant of tiny") and "tiny-P01 for example" in said
    paired = manifest_of(export)["method"] == "paired"
    assert f"it holds {3 if paired else 1} trials and P01 has {4 if paired else 2}" in refused(lambda s: s.pop(0))
    assert f"{path} is not a session of BeaqleJS (" in refused(lambda saved: saved.pop())
    other: Any = {"TestID": "one", "Runtime": 1, "rating": {"A": 1}} if paired else True
    assert f"{path} is not a session of BeaqleJS (" in refused(lambda saved: saved.__setitem__(1, other))
    if not paired:
        assert f"{path}: rating_score = '101' is not a score" in refused(lambda s: s[1]["rating"].update(Reference=101))
        assert f"{path}: its stimulus 'old' is not in the" in refused(lambda s: s[1]["rating"].update(old=1))
        assert f"{path}: P01 has no trial 'two'" in refused(lambda saved: saved[1].update(TestID="two"))
    path.write_text("[")
    with pytest.raises(
        HearsimError, match=r"P01\.txt is not JSON \(Expecting value: line 1 .*give a session that BeaqleJS"
    ):
        analyse(export)
    save(export, "P01")
    save(export, "P01", name="P01 (1)")
    with pytest.raises(HearsimError, match=r"twice, in session P01 \(1\)\.txt and in P01\.txt: remove one"):
        analyse(export)
    (export / "results/P01.txt").unlink()
    for table in (export / "ratings.csv", export / "results/ratings.csv"):
        table.write_text("")
        with pytest.raises(
            HearsimError, match=rf"holds {table} and sessions of BeaqleJS such as .*P01 \(1\)\.txt: give"
        ):
            analyse(export)
        table.unlink()
    shutil.copy(export / "results/P01 (1).txt", export)
    with pytest.raises(
        HearsimError, match=rf"holds {export} and sessions of BeaqleJS such as {export}/results/P01 \(1\)"
    ):
        analyse(export)
    assert analyse(export / "results").listeners == analyse(export / "P01 (1).txt").listeners


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium")
@pytest.mark.skipif(
    not (CHECKOUT / "js/beaqle.js").is_file(),
    reason=f"no BeaqleJS in {CHECKOUT}: git clone https://github.com/HSU-ANT/beaqlejs there",
)
def test_in_beaqlejs_itself(exported: Path, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'hearsim[dev]'")
    site = tmp_path / "site"
    shutil.copytree(CHECKOUT, site, ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(exported / "beaqlejs", site, dirs_exist_ok=True)
    paired = exported.parent.name.startswith("paired")
    index = (site / "index.html").read_text().replace("example_config_mushra.js", "tiny-P02.js")
    index = index.replace("new MushraTest(TestConfig)", "new AbxTest(TestConfig)") if paired else index
    (site / "index.html").write_text(index)
    trials = manifest_of(exported)["participants"][1]["trials"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
        )
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto((site / "index.html").as_uri())
        page.click("#BtnStartTest")
        for number in range(len(trials)):
            page.wait_for_function(
                f"$('#TestHeading').text().includes('({number + 1} of') && $('#TestControls').is(':visible')"
            )
            if paired:
                x = page.evaluate(f"testHandle.TestState.FileMappings[{number}].X")
                page.check(f"#select{x if number else 'AB'.replace(x, '')}")  # the practice wrong, the others right
            else:
                page.evaluate(
                    "$('.rateSlider').each(function(i) {"
                    " $(this).slider('value', this.id === 'sliderReference' ? 97 : i) })"
                )
            page.screenshot(path=tmp_path / f"trial{number}.png")
            page.click("#BtnNextTest")
        page.wait_for_selector("#BtnDownloadData", state="visible")
        assert page.input_value("#UserName") == "tiny-P02"
        page.fill("#UserComment", "loud & clear, 100 %")
        page.screenshot(path=tmp_path / "end.png")
        with page.expect_download() as download:
            page.click("#BtnDownloadData")
        (tmp_path / "results").mkdir()
        download.value.save_as(tmp_path / "results" / download.value.suggested_filename)
        browser.close()
    found = analyse(tmp_path / "results", exported / "manifest.json")
    table = read(found.out / "ratings.csv")
    assert {(row["participant"], row["comment"]) for row in table} == {("P02", "loud & clear, 100 %")}
    if paired:
        assert [row["choice_answer"] for row in table] == ["incorrect", "correct", "correct", "correct"]
    else:
        assert {one.mean for one in found.summary if one.condition == "reference"} == {97.0}
        assert sorted(row["condition"] for row in table if row["practice"] == "0") == [
            *("anchor35", "anchor70", "reference", "unprocessed")
        ]
