"""Examples and batches: from seeds alone, in the right proportions, continuous from piece to piece."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trees import RATE, TONES_HZ, tone, write, write_song

from hearsim.core.errors import HearsimError
from hearsim.music.tracks import Track, read_tracks
from hearsim.training.augmentation import OFF, Augmentation
from hearsim.training.examples import Mixer, StatefulBatches, batches


def stateful(tracks: list[Track], rows: range = range(3), seed: int = 7) -> StatefulBatches:
    mixer = Mixer(tracks, 4 * 500, Augmentation(low_pass=0), {}, RATE)
    return StatefulBatches(mixer, rows, 3, 4, 100, seed)


def test_weights_decide_how_often_a_track_is_drawn(tracks: list[Track]) -> None:
    mixer = Mixer(tracks, 10, OFF, {"song*": 1.0, "song1": 3.0, "song2": 0.0}, RATE)
    rng = np.random.default_rng(0)
    drawn = [mixer._draw(mixer._songs, rng).name for _ in range(2000)]
    assert drawn.count("song1") / len(drawn) == pytest.approx(0.75, abs=0.03)
    assert drawn.count("song2") == 0


def test_pieces_follow_each_other_and_overlap_by_the_context(tracks: list[Track]) -> None:
    made = stateful(tracks)
    rows = [[] for _ in range(3)]
    for step in range(12):
        batch, starts_silent, _ = made.batch(step)
        assert batch.shape == (3, 4, 2, 600)
        for row in range(3):
            if starts_silent[row]:
                assert not batch[row, ..., :100].any()
                rows[row] = [batch[row]]
            elif rows[row]:
                np.testing.assert_array_equal(batch[row, ..., :100], rows[row][-1][..., -100:])
                rows[row].append(batch[row])
    starts = [[bool(made.batch(step)[1][row]) for step in range(12)] for row in range(3)]
    assert [sum(row) for row in starts] == [3, 3, 3] and len({tuple(row) for row in starts}) > 1


def test_rows_have_different_examples(tracks: list[Track]) -> None:
    made = stateful(tracks)
    begun: dict[int, list[np.ndarray]] = {row: [] for row in range(3)}
    for step in range(12):
        batch, starts_silent, _ = made.batch(step)
        for row in range(3):
            if starts_silent[row]:
                begun[row].append(batch[row])
    played = [example for examples in begun.values() for example in examples]
    assert len(played) == 9
    for index, example in enumerate(played):
        assert not any(np.array_equal(example, other) for other in played[:index])


def test_a_batch_follows_from_its_step_alone(tracks: list[Track]) -> None:
    made = stateful(tracks)
    for step in range(6):
        made.batch(step)
    later, again = made.batch(6), stateful(tracks).batch(6)
    np.testing.assert_array_equal(later[0], again[0])
    assert not np.array_equal(later[0], stateful(tracks, seed=8).batch(6)[0])


def test_processes_share_a_batch(tracks: list[Track]) -> None:
    whole, starts_silent, _ = stateful(tracks).batch(5)
    first, second = stateful(tracks, range(2)).batch(5), stateful(tracks, range(2, 3)).batch(5)
    np.testing.assert_array_equal(np.concatenate((first[0], second[0])), whole)
    np.testing.assert_array_equal(np.concatenate((first[1], second[1])), starts_silent)


def test_batches_are_those_of_the_steps(tracks: list[Track]) -> None:
    found = list(batches(stateful(tracks), 3, 6))
    assert len(found) == 3
    for (stems, continues, known), step in zip(found, range(3, 6), strict=True):
        assert known.all()
        expected, starts_silent, _ = stateful(tracks).batch(step)
        np.testing.assert_array_equal(stems.numpy(), expected)
        np.testing.assert_array_equal(continues.numpy(), 1.0 - starts_silent)


def test_tracks_that_lack_stems_are_a_sentence(tmp_path: Path) -> None:
    write_song(tmp_path / "song", stems=("vocals", "bass", "other"))
    tracks = read_tracks(tmp_path, tmp_path / "cache", RATE)
    with pytest.raises(HearsimError, match="no track to train on has drums"):
        Mixer(tracks, 100, Augmentation(), {}, RATE)
    with pytest.raises(HearsimError, match="is a song of three stems"):
        Mixer([], 100, OFF, {}, RATE)
    assert Mixer(tracks, 100, OFF, {}, RATE).example(np.random.default_rng(0))[0][0].any()


@pytest.fixture
def labelled(tracks: list[Track], tmp_path: Path) -> list[Track]:
    """Two songs, and one of a source whose vocals are known up to 1 kHz, and of which only these are known."""
    for stem, name in (("vocals", "vocals"), ("drums", "accompaniment")):
        write(tmp_path / "real" / f"{name}.wav", tone(TONES_HZ[stem], 2.0) + tone(3000.0, 2.0))
    real = replace(read_tracks(tmp_path, tmp_path / "cache", RATE)[0], name="web/real")
    return [*tracks[:2], real]


def test_a_song_of_two_stems_has_its_accompaniment_in_the_last(labelled: list[Track]) -> None:
    mixer = Mixer(labelled, RATE, OFF, {"song*": 0.0}, RATE)
    stems, known = mixer.example(np.random.default_rng(0))
    assert not known and not stems[1:3].any()
    spectra = np.abs(np.fft.rfft(stems[[0, 3], 0]))
    assert [int(each[:2000].argmax()) for each in spectra] == [440, 1300]
    np.testing.assert_allclose(spectra[:, 3000], spectra.max(-1), rtol=1e-3)  # no limit is given


def test_songs_whose_vocals_are_known_up_to_a_frequency_end_there(labelled: list[Track]) -> None:
    stems, _ = Mixer(labelled, RATE, OFF, {"song*": 0.0}, RATE, {"web/*": 2000.0}).example(np.random.default_rng(0))
    spectra = np.abs(np.fft.rfft(stems[[0, 3], 0]))
    assert (spectra[:, 3000] < 0.1 * spectra.max(-1)).all()


def test_vocals_that_are_known_up_to_a_frequency_stay_with_their_songs(labelled: list[Track]) -> None:
    apart = Augmentation(whole_songs=0.0)
    assert "web/real" in {track.name for track in Mixer(labelled, RATE, apart, {}, RATE)._pools["vocals"][0]}
    limited = Mixer(labelled, RATE, apart, {}, RATE, {"web/*": 2000.0})
    assert {track.name for track in limited._pools["vocals"][0]} == {"song0", "song1"}


def test_batches_say_what_is_known(labelled: list[Track]) -> None:
    mixer = Mixer(labelled, 400, OFF, {"web/*": 3.0}, RATE)
    found = [StatefulBatches(mixer, range(4), 4, 1, 0, 7).batch(step) for step in range(20)]
    for stems, _, known in found:
        np.testing.assert_array_equal(known, stems[:, 1].any((1, 2)))  # drums of the songs of four stems
    assert 0.2 < np.mean([known for *_, known in found]) < 0.8


def test_an_example_may_be_longer_than_its_track(tracks: list[Track]) -> None:
    example, _ = Mixer(tracks, 5 * RATE, OFF, {}, RATE).example(np.random.default_rng(0))
    assert example[..., : 2 * RATE - 64].any() and not example[..., 2 * RATE :].any()


def test_a_share_of_the_examples_begins_in_silence(tracks: list[Track]) -> None:
    mixer = Mixer(tracks, 4 * 5, OFF, {}, RATE)
    shares = {}
    for reset in (0.0, 0.3, 1.0):
        made = StatefulBatches(mixer, range(2), 2, 4, 0, 7, reset)
        starts_silent = np.array([made.batch(step)[1] for step in range(800)])
        shares[reset] = starts_silent.sum() / 400
        later = StatefulBatches(mixer, range(1, 2), 2, 4, 0, 7, reset)  # of another process, from a later step on
        assert [bool(later.batch(step)[1][0]) for step in range(400, 500)] == starts_silent[400:500, 1].tolist()
    assert shares == {0.0: 0.0, 0.3: pytest.approx(0.3, abs=0.08), 1.0: pytest.approx(1.0, abs=0.01)}
