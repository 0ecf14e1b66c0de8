"""What an experiment is made of: spec, panels, songs, separations, cells and their keys."""

import re
from pathlib import Path

import numpy as np
import pytest
from cases import TINY, tiny_model
from specs import write_spec

import hearsim
from hearsim.aid.hearing_aid import hearing_aid
from hearsim.core.audio import Audio
from hearsim.core.errors import HearsimError
from hearsim.core.processor import render
from hearsim.ear.ear import Ear
from hearsim.experiment.plan import cells_of, shard_of
from hearsim.experiment.spec import read_study
from hearsim.metrics.cepstral import cepstral_correlation
from hearsim.metrics.sii import threshold_noise
from hearsim.music.demo_song import demo_song, mixture
from hearsim.music.demo_styles import KEYS, STYLES
from hearsim.profile.load import load_profile
from hearsim.profile.panels import DEGREES_DB_HL, SLOPES_DB_PER_OCTAVE, Drawn, bisgaard
from hearsim.simulation.condition import ListeningCondition
from hearsim.simulation.stems import RING_OUT, Separation, separate

SPEC = """
name = "tiny"
metrics = ["lufs"]
[factors]
listeners = ["N2", "S1"]
songs = [{ style = "pop", seconds = 3 }, { style = "rock", key = "E", seconds = 3 }]
mixes = ["flat", { name = "up", gains_db = { vocals = 6 } }]
aids = ["closed", "unaided"]
models = ["oracle"]
seeds = [0, 1]
[[exclude]]
aid = "unaided"
mix = "up"
"""


def spec(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    return write_spec(tmp_path, SPEC, *changes)


def test_every_combination_but_the_excluded_is_a_cell_with_a_key_of_its_own(tmp_path: Path) -> None:
    cells = cells_of(read_study(spec(tmp_path)))
    assert len(cells) == 2 * 2 * 2 * 3 == len({cell.key for cell in cells})
    assert ("S1", "rock in E", "1", "up", "closed", "oracle") in [cell.names for cell in cells]
    assert not [cell for cell in cells if cell.names[3:5] == ("up", "unaided")]
    songs = [cell.song_key for cell in cells]
    assert songs == sorted(songs, key=songs.index)  # song by song


def test_a_key_changes_with_what_decides_the_result_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    ours = {cell.names: cell.key for cell in cells_of(read_study(spec(tmp_path)))}
    moved = {cell.names: cell.key for cell in cells_of(read_study(spec(tmp_path / "moved")))}
    assert ours == moved
    louder = cells_of(read_study(spec(tmp_path, ("vocals = 6", "vocals = 7"))))
    changed = [cell for cell in louder if cell.key != ours[cell.names]]
    assert {cell.names[3] for cell in changed} == {"up"} and len(changed) == 8
    other = cells_of(read_study(spec(tmp_path, ("seconds = 3 }, {", "seconds = 4 }, {"))))
    assert {cell.names[1] for cell in other if cell.key != ours[cell.names]} == {"pop"}
    measured = cells_of(read_study(spec(tmp_path, ('metrics = ["lufs"]', 'metrics = ["lufs", "mpo_events"]'))))
    assert all(cell.key != ours[cell.names] for cell in measured)
    worn = cells_of(read_study(spec(tmp_path, ('"closed", "unaided"', '"none", "unaided"'))))
    assert len({cell.key for cell in worn}) == len(worn)  # a device that does nothing is late all the same


def test_shards_share_out_all_cells_and_keep_songs_together(tmp_path: Path) -> None:
    cells = cells_of(read_study(spec(tmp_path)))
    for parts in (1, 2, 3, 4, 7, 100):
        shards = [shard_of(cells, (k, parts)) for k in range(1, parts + 1)]
        assert sorted(cell.key for shard in shards for cell in shard) == sorted(cell.key for cell in cells)
    for shard in (shard_of(cells, (1, 2)), shard_of(cells, (2, 2))):
        assert len({cell.song_key for cell in shard}) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("listeners =", "listner =")], "factors.listner is not known: did you mean listeners"),
        ([("mixes =", "volumes =")], "factors.volumes is not known"),
        ([('metrics = ["lufs"]', 'metrics = ["estoi_vocal"]')], "did you mean estoi_vocals"),
        ([('metrics = ["lufs"]', "metrics = []")], "metrics = [] is empty"),
        ([('"N2", "S1"', "")], "factors.listeners is empty, so there are no cells"),
        ([('"N2", "S1"', '"N2", "N2"')], "factors.listeners[1]: 'N2' exists already"),
        ([('"N2", "S1"', '"Q7"')], "factors.listeners[0]: no listener is called 'Q7'"),
        ([('"N2", "S1"', '{ degree = "heavy", slope = "flat", count = 2 }')], "listeners[0]: degree = 'heavy'"),
        ([('{ style = "pop", seconds = 3 }', '"no/such/folder"')], "factors.songs[0]: "),
        ([('style = "pop"', 'style = "polka"')], "factors.songs[0]: the demo song knows no style 'polka'"),
        ([('style = "pop"', 'stile = "pop"')], "songs[0]: the key stile is not known: did you mean style"),
        ([('key = "E"', 'key = "H"')], "factors.songs[1]: the demo song knows no key 'H'"),
        ([("seconds = 3 }, {", "seconds = 1 }, {")], "give 3 (for a phrase)"),
        ([('"oracle"', '"no-such-model"')], "factors.models[0]: no model is called"),
        ([('"oracle"', '{ name = "x", leakage_db = 3 }')], "models[0]: leakage_db = 3"),
        ([('"oracle"', '{ name = "x", error_scale = 0.5 }')], "error_scale scales the errors of a model"),
        ([("seeds = [0, 1]", "seeds = [-1]")], "factors.seeds[0] = -1 is too low"),
        ([("vocals = 6", "vocals = 60")], "gains_db.vocals = 60"),
        ([('"N2", "S1"', '"N2", 3')], "factors.listeners[1] = 3: give a name in quotes, or a table"),
        ([('aid = "unaided"\nmix', 'ade = "unaided"\nmix')], "exclude[0]: no factor is called 'ade'"),
        ([('mix = "up"', 'mix = "upp"')], "exclude[0]: mix: no level is called 'upp': did you mean up"),
        ([('[[exclude]]\naid = "unaided"\nmix = "up"', "")], "the unaided listener hears no mix 'up'"),
        ([('aid = "unaided"\nmix = "up"', 'model = "oracle"')], "exclude leaves no cells"),
        ([('"closed", ', '"power", ')], "would clip the headphones of rig aid"),
        ([("[factors]", 'outputs = ["herd"]\n[factors]')], "outputs: no output is called 'herd': did you mean heard"),
        ([("[factors]", "[report]\nbaseline = { mix = 'flut' }\n[factors]")], "no level is called 'flut'"),
    ],
)  # fmt: skip
def test_bad_specs_get_one_sentence_with_file_key_and_value(
    tmp_path: Path, changes: list[tuple[str, str]], words: str
) -> None:
    path = spec(tmp_path, *changes)
    with pytest.raises(HearsimError) as caught:
        cells_of(read_study(path))
    assert words in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_spec_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(hearsim.__file__).parent / "docs" / "experiments.md").read_text(encoding="utf-8")
    (block,) = [part for part in text.split("```toml\n")[1:] if "[[exclude]]" in part.split("```")[0]]
    (tmp_path / "experiment.toml").write_text(block.split("```")[0], encoding="utf-8")
    assert len(cells_of(read_study(tmp_path / "experiment.toml"))) == 15 * 2 * 3 * 3


def test_a_listener_file_with_one_bad_row_is_refused_by_name(tmp_path: Path) -> None:
    row = '{"name": "%s", "audiogram_cfs": [250, 1000], "audiogram_levels_l": [20, 30], "audiogram_levels_r": [%s, 30]}'
    good, bad = row % ("L1", 20), row % ("L2", 200)
    (tmp_path / "listeners.json").write_text(f'{{"L1": {good}, "L2": {good}}}')
    path = spec(tmp_path, ('"N2", "S1"', '"listeners.json"'))
    assert list(read_study(path).listeners) == ["L1", "L2"]
    (tmp_path / "listeners.json").write_text(f'{{"L1": {good}, "L2": {bad}}}')
    with pytest.raises(HearsimError, match=r"listeners.json: listener L2: .* = 200"):
        read_study(path)


def test_the_standard_panel_is_that_of_bisgaard() -> None:
    panel = bisgaard()
    assert list(panel) == ["N1", "N2", "N3", "N4", "N5", "N6", "N7", "S1", "S2", "S3"]
    assert panel["S2"].left.thresholds_db_hl[-2:] == (95, 95)
    slopes = {name: float(np.diff(one.left.at((1000.0, 4000.0)))[0]) / 2 for name, one in panel.items()}
    kinds = {"flat": ("N5", "N7"), "sloping": ("N1", "N2", "N3", "N4", "N6"), "steep": ("S1", "S2", "S3")}
    for kind, names in kinds.items():
        found = [slopes[name] for name in names]
        assert (min(found), max(found)) == SLOPES_DB_PER_OCTAVE[kind]


@pytest.mark.parametrize("degree", list(DEGREES_DB_HL))
def test_drawn_listeners_have_their_degree_and_slope_and_are_those_of_the_seed(degree: str) -> None:
    for slope, (low, high) in SLOPES_DB_PER_OCTAVE.items():
        drawn = Drawn(degree=degree, slope=slope, count=20, seed=3).listeners()
        assert drawn == Drawn(degree=degree, slope=slope, count=20, seed=3).listeners()
        assert list(drawn)[:5] == list(Drawn(degree=degree, slope=slope, count=5, seed=3).listeners())
        assert drawn != Drawn(degree=degree, slope=slope, count=20, seed=4).listeners()
        ears = [ear for one in drawn.values() for ear in one.ears]
        means = [float(ear.at((500.0, 1000.0, 2000.0)).mean()) for ear in ears]
        least, most = DEGREES_DB_HL[degree]
        assert least - 5 <= min(means) and max(means) <= most + 5  # thresholds are rounded to 5 dB
        assert max(means) - min(means) > 5
        rise = [float(np.diff(ear.at((1000.0, 4000.0)))[0]) / 2 for ear in ears]
        if degree in ("mild", "moderate"):  # others meet the audiometer's 120 dB
            assert low - 5 < np.mean(rise) < high + 5


def test_styles_and_keys_make_other_songs() -> None:
    songs = {style: demo_song(4.0, seed=1, style=style) for style in STYLES}
    assert len({song.samples.tobytes() for song in songs.values()}) == len(STYLES) == 4
    assert np.array_equal(songs["pop"].samples, demo_song(4.0, seed=1).samples)
    for song in songs.values():
        assert 0.88 < np.abs(mixture(song).samples).max() < 0.9
        assert np.all(np.sqrt(np.mean(song.samples**2, axis=(1, 2))) > 0.01)
    bass = {key: np.abs(np.fft.rfft(demo_song(4.0, seed=1, key=key).samples[2].mean(0))) for key in ("A", "D")}
    peaks = {key: float(np.argmax(spectrum)) for key, spectrum in bass.items()}
    assert peaks["D"] / peaks["A"] == pytest.approx(2 ** (KEYS["D"] / 12), rel=0.02)
    with pytest.raises(HearsimError, match="give 4"):
        demo_song(3.5, style="ballad")


def test_scaled_errors_and_leakage_are_what_they_say() -> None:
    truth = demo_song(3.0)
    rng = np.random.default_rng(0)
    found = (truth.samples + 0.1 * rng.standard_normal(truth.samples.shape)).astype(np.float32)
    long = np.pad(found, ((0, 0), (0, 0), (512, RING_OUT)))
    half = Separation(name="half", model="m", error_scale=0.5).stems(truth, long)[..., 512:-RING_OUT]
    np.testing.assert_allclose(half - truth.samples, 0.5 * (found - truth.samples), atol=1e-6)
    assert Separation(name="whole", model="m").stems(truth, long) is long
    leaky = Separation(name="leaky", leakage_db=-20, hop=128).stems(truth, None)[..., 128:-RING_OUT]
    others = mixture(truth).samples - truth.samples
    np.testing.assert_allclose(leaky, truth.samples + 0.1 * others, atol=1e-6)
    oracle = Separation(name="oracle", hop=0).stems(truth, None)
    np.testing.assert_array_equal(oracle[..., :-RING_OUT], truth.samples)
    assert [Separation(name="x", hop=hop).latency(128) for hop in (0, 128, 512)] == [0, 128, 896]


@pytest.mark.parametrize(("name", "block"), [("moderate-vocals-up", 512), ("mild-open", 128)])
def test_a_scene_is_heard_as_the_real_aid_is_bit_for_bit(name: str, block: int) -> None:
    profile = load_profile(name)
    profile = profile.model_copy(
        update={
            "model": tiny_model(TINY.model_copy(update={"window": 2 * block, "hop": block})),
            "aid": profile.aid.model_copy(update={"block_samples": block}),
            "mix": load_profile("severe-vocals-up").mix,
        }
    )
    truth = Audio(demo_song(3.0).samples[..., :50_000], 44100)
    model = Separation(name="m", model=profile.model).resolved(Path(), "")
    condition = ListeningCondition(
        profile, True, truth, separate(profile.model, mixture(truth)), model.hop, model.latency(block)
    )
    aid = hearing_aid(profile)
    np.testing.assert_array_equal(condition.aided, render(aid, mixture(truth), block).samples)
    np.testing.assert_array_equal(condition.heard, _heard(profile, mixture(truth), block))
    assert condition.live_delay == aid.latency + block
    assert not np.array_equal(condition.heard, condition.target)


def _heard(profile, song: Audio, block: int) -> np.ndarray:
    """The song through the aid with its own separator, and the ear."""
    from hearsim.core.audio import Format

    aid, ear, fmt = hearing_aid(profile), Ear(profile), Format(song.rate, 2, block)
    aid.prepare(fmt)
    ear.prepare(fmt)
    late = ear.latency + (0 if ear.vented else aid.latency)
    sound = np.pad(song.samples, ((0, 0), (0, late + block)))
    blocks = [sound[:, start : start + block] for start in range(0, sound.shape[1] - block + 1, block)]
    return np.concatenate([ear.process(aid.process(one), one).copy() for one in blocks], 1)[:, late:][:, : song.frames]


def test_threshold_noise_is_what_the_norm_says() -> None:
    """Its level in 1 Hz about 1 kHz is -12.5 dB SPL (ANSI S3.5-1997, table 3)."""
    noise = threshold_noise(2, 10 * 44100, 44100)
    power = np.abs(np.fft.rfft(noise.astype(np.float64))) ** 2 * 2 / (44100 * noise.shape[1])  # one-sided, in 1 Hz
    hz = np.fft.rfftfreq(noise.shape[1], 1 / 44100)
    for centre, level in ((1000, -12.5), (4000, -25.9)):
        near = np.abs(hz - centre) < 50
        assert 10 * np.log10(power[:, near].mean() / 20e-6**2) == pytest.approx(level, abs=0.6)
    assert not np.array_equal(noise[0], noise[1])


def test_what_is_too_soft_to_be_heard_counts_for_nothing() -> None:
    truth, profile = demo_song(4.0), load_profile("moderate-vocals-up")
    loud, soft = (
        ListeningCondition(profile.model_copy(update={"rig": rig}), False, truth, truth.samples, 0, 0)
        for rig in (profile.rig.model_copy(update={"microphone_full_scale_db_spl": level}) for level in (110.0, 60.0))
    )
    assert loud.speech.value("audible", "estoi") == pytest.approx(loud.speech.value("heard", "estoi"), abs=0.05)
    assert soft.speech.value("audible", "estoi") < 0.5 * soft.speech.value("heard", "estoi")


def test_cepstral_correlation_orders_sounds() -> None:
    song = mixture(demo_song(4.0)).samples * np.float32(2.0)
    noise = np.random.default_rng(0).standard_normal(song.shape).astype(np.float32)
    assert cepstral_correlation(song, song, 44100) == pytest.approx(1.0, abs=1e-9)
    assert cepstral_correlation(song, 0.5 * song, 44100) > 0.98  # level alone is nothing, but at the threshold
    noisy = [cepstral_correlation(song, song + amount * noise, 44100) for amount in (0.003, 0.03, 0.3)]
    assert 0.97 > noisy[0] > noisy[1] + 0.05 > noisy[2] + 0.1
    assert cepstral_correlation(song, noise, 44100) < 0.2
    assert cepstral_correlation(song, 0 * song, 44100) == 0.0
    with pytest.raises(HearsimError, match="nothing of the reference is audible"):
        cepstral_correlation(1e-6 * song, song, 44100)


def test_specs_without_a_name_in_one_folder_are_two_experiments(tmp_path: Path) -> None:
    first = spec(tmp_path)
    other = first.with_name("other.toml")
    other.write_text(re.sub(r"^name = .*$", "", first.read_text(), flags=re.MULTILINE))
    assert read_study(other).name == "other"
    assert read_study(other.rename(tmp_path / "experiment.toml")).name == tmp_path.name


def test_blocks_follow_the_cells_own_model(tmp_path: Path) -> None:
    models = '["oracle", "hs-tasnet-lite-6ms", { name = "quick", hop = 64 }, { name = "instant", hop = 0 }]'
    cells = cells_of(read_study(spec(tmp_path, ('["oracle"]', models))))
    blocks = {cell.names[5]: cell.profile.block_samples for cell in cells}
    assert blocks == {"oracle": 512, "hs-tasnet-lite-6ms": 128, "quick": 64, "instant": 512}
