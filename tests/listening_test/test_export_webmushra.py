"""What webMUSHRA is given; a test for each of its defects says how an export avoids it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from export_sample import SPEC, write_spec
from scipy import signal

from hearsim.core.audio import Audio
from hearsim.listening_test.excerpts import Excerpt
from hearsim.listening_test.names import config_name
from hearsim.listening_test.spec import Plan, read_plan
from hearsim.listening_test.stimuli import Fitter, Fronts, encode, remixes
from hearsim.listening_test.trials import code, trials
from hearsim.listening_test.webmushra import write_webmushra

TONE = {
    "frequency_hz": 1000.0,
    "level_db_spl": 80.0,
    "files": {ear: {"path": f"tone-{ear}.wav"} for ear in ("left", "right")},
}


def written(folder: Path, **changes: str) -> tuple[Plan, dict[str, str]]:
    """The texts of the configs of a test, by participant."""
    plan = read_plan(write_spec(folder, SPEC, **changes))
    out = folder / "webmushra"
    out.mkdir()
    write_webmushra(plan, out, TONE)
    people = [who.id for who in plan.spec.participants] + ["calibration"]
    names = {who: out / "configs" / config_name(plan.spec.name, who) for who in people}
    assert sorted(out.rglob("*.yaml")) == sorted(names.values())
    return plan, {who: path.read_text(encoding="utf-8") for who, path in names.items()}


def pages(text: str, kind: str) -> list[dict[str, Any]]:
    return [page for page in json.loads(text)["pages"] if page["type"] == kind]


@pytest.mark.parametrize("method", ['"mushra"', '"paired"'])
def test_defect_1_the_yaml_parser_drops_pages(tmp_path: Path, method: str) -> None:
    """One line of JSON, which it does read; no \\u escapes, of which it makes several characters each."""
    _, texts = written(tmp_path, method=method)
    for text in texts.values():
        assert text.endswith("\n")
        assert text.count("\n") == 1
        assert "\\u" not in text
        json.loads(text)
    assert 'Größe – \\"quoted\\" & it\'s 50 % {a}: [b], # no comment' in texts["P01"]


def test_defect_2_its_anchors_are_95_samples_early(tmp_path: Path) -> None:
    """Its own are off; ours are in time to the sample, as clicks through anchor filters and fitting show."""
    _, texts = written(tmp_path)
    for page in pages(texts["P01"], "mushra"):
        assert page["createAnchor35"] is page["createAnchor70"] is False
        assert len(page["stimuli"]) == 4  # two anchors of ours and two conditions
    plan = read_plan(write_spec(tmp_path))
    clicks = np.zeros((2, 44100), np.float32)
    clicks[:, 4000::7919] = 0.5
    excerpt = Excerpt("x", Audio(clicks, 44100), dict.fromkeys(("vocals", "drums"), clicks), slice(0, 44100), {})
    found = {}
    for remixed in remixes(plan, excerpt, Fronts(plan)):
        if remixed.version.role != "condition":
            found[remixed.version.name] = Fitter(plan, "fitting1").play(remixed, excerpt).samples
    for name in ("anchor35", "anchor70"):
        for ear in range(2):
            match = signal.correlate(found[name][ear], found["reference"][ear])
            assert np.argmax(match) == 44100 - 1


def test_defect_3_its_anchors_never_load_at_other_rates(tmp_path: Path) -> None:
    """No filter of its own is asked for, whatever rate the browser's device has."""
    for method in ('"mushra"', '"paired"'):
        folder = tmp_path / method.strip('"')
        folder.mkdir()
        _, texts = written(folder, method=method)
        for text in texts.values():
            for page in json.loads(text)["pages"]:
                assert not page.get("createAnchor35", False)
                assert not page.get("createAnchor70", False)


def test_defect_4_an_ampersand_cuts_the_session(tmp_path: Path) -> None:
    """Free text is asked for, so results must go where our collector stands: `test_export_collect` posts an & to it."""
    _, texts = written(tmp_path)
    (finish,) = pages(texts["P02"], "finish")
    assert [one["type"] for one in finish["questionnaire"]] == ["long_text"]
    assert json.loads(texts["P02"])["remoteService"] == "service/write.php"


def test_defect_5_a_failure_to_save_is_silent(tmp_path: Path) -> None:
    _, texts = written(tmp_path)
    for who in ("P01", "P02", "P03"):
        last = json.loads(texts[who])["pages"][-1]
        assert (last["type"], last["writeResults"], last["showErrors"]) == ("finish", True, True)
        assert last["showResults"] is False  # they name the reference


def test_defect_6_without_randomize_the_hidden_reference_is_last(tmp_path: Path) -> None:
    """It is on in each trial; the order of the trials is written out, one seeded config for each participant."""
    plan, texts = written(tmp_path)
    orders = set()
    for who in plan.spec.participants:
        text = texts[who.id]
        assert json.loads(text)["testId"] == f"vocals-up-{who.id}"
        tests = pages(text, "mushra")
        assert all(page["randomize"] is True for page in tests)
        assert [page["id"] for page in tests] == [trial.id for trial in trials(plan, who)]
        orders.add(tuple(page["id"] for page in tests))
        assert '"random"' not in text
    assert len(orders) > 1


def test_defect_7_mono_files_play_on_the_left_only() -> None:
    for kind in ("24-bit", "float"):
        data = encode(np.zeros((2, 100), np.float32), kind)  # type: ignore[arg-type]
        assert int.from_bytes(data[22:24], "little") == 2  # the header's count of channels


def test_its_limits_are_kept(tmp_path: Path) -> None:
    """At most 12 conditions of at most 12 s; stopOnErrors, so that a broken test does not run."""
    plan, texts = written(tmp_path, seconds="12")
    assert json.loads(texts["P01"])["stopOnErrors"] is True
    for page in pages(texts["P01"], "mushra"):
        assert page["strict"] is True
        assert len(page["stimuli"]) <= 12
    data = encode(np.zeros((2, round(plan.spec.seconds * 44100)), np.float32), "24-bit")
    (tmp_path / "x.wav").write_bytes(data)
    assert soundfile.info(tmp_path / "x.wav").duration == 12.0


def test_no_page_tells_a_condition_or_a_listener(tmp_path: Path) -> None:
    """The browser shows paths, and the page's source has the config."""
    plan, texts = written(tmp_path, name='"pop"', mix='"flat"')
    words = ["anchor35", "anchor70", "unprocessed", "separated", "severe", "N2", "N4", "fitting", "oracle", "tasnet"]
    for text in texts.values():
        for page in json.loads(text)["pages"]:
            shown = json.dumps(page | {"createAnchor35": None, "createAnchor70": None}).replace("createAnchor", "")
            assert [word for word in words if word in shown] == []
    for page in pages(texts["P01"], "mushra"):
        assert page["reference"] not in page["stimuli"].values()  # webMUSHRA hides the reference itself
    orders = set()
    for fitting in plan.fittings:
        for song in plan.spec.songs:
            names = {code(plan, fitting, song.name, one.name): one.name for one in plan.versions}
            orders.add(tuple(names[one] for one in sorted(names)))
    assert len(orders) > 3  # a blind name's place in the list tells nothing


def test_consent_practice_trials_and_end(tmp_path: Path) -> None:
    _, texts = written(tmp_path, practice='"two"')
    found = json.loads(texts["P03"])["pages"]
    assert [page["type"] for page in found] == ["consent", *["mushra"] * 4, "finish"]
    assert found[0]["mustConsent"] is True
    assert (found[1]["id"], found[1]["name"]) == ("practice", "Practice: these ratings do not count")
    same = next(page for page in found if page.get("id") == "two")
    assert found[1]["stimuli"] == same["stimuli"]
    assert [page["name"] for page in found[2:5]] == [f"Trial {n} of 3" for n in (1, 2, 3)]


def test_pairs_are_pages_of_their_own_in_a_seeded_order(tmp_path: Path) -> None:
    """webMUSHRA shuffles the stimuli of a paired comparison by itself: so each page has one."""
    _, texts = written(tmp_path, method='"paired"')
    orders = []
    for who in ("P01", "P02"):
        found = pages(texts[who], "paired_comparison")
        assert len(found) == 1 + 3 * 4  # the practice; songs, versions
        assert all(len(page["stimuli"]) == 1 for page in found)
        assert len({page["id"] for page in found}) == len(found)
        orders.append([page["id"] for page in found])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_the_calibration_page_plays_both_tones(tmp_path: Path) -> None:
    _, texts = written(tmp_path)
    (page,) = pages(texts["calibration"], "generic")
    for ear in ("left", "right"):
        assert f'<audio controls loop src="stimuli/vocals-up/tone-{ear}.wav">' in page["content"]
    assert "<b>80 dB SPL</b>" in page["content"]
