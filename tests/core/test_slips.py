"""Slips of a user of Python: each public door answers in one sentence of ours, and says what to give."""

import copy
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import fs, quick_profile

import hearsim as hs
from hearsim.aid.limiter import MpoLimiter
from hearsim.aid.separator import Separator
from hearsim.core.processor import Processor
from hearsim.core.units import FloatArray

BLOCK = np.zeros((2, 512), np.float32)
SONG = hs.Audio(np.zeros((2, 2048), np.float32), 44100)


def quick_aid() -> hs.Chain:
    return hs.hearing_aid(quick_profile("flat"))


def prepared(stage: Processor, fmt: hs.Format | None = None) -> Processor:
    stage.prepare(fmt or fs(512))
    return stage


def refused_then_used() -> object:
    """Use a stage whose latest `prepare` was refused."""
    from hearsim.core.calibration import Calibration, ToPascal

    stage = prepared(ToPascal(Calibration(94.0)))
    with pytest.raises(hs.FormatError):
        stage.prepare(hs.Format(44100, 2, 512, unit="pa"))
    return stage.process(BLOCK)


SLIPS: dict[str, tuple[Callable[[], object], str]] = {
    "array into render": (lambda: hs.render(hs.Delay(1), BLOCK), r"takes an Audio, not an array of float32 \(2, 512\)"),
    "path into render": (
        lambda: hs.render(hs.Delay(1), "a.wav"),
        r"takes an Audio, not 'a.wav': read it with hearsim.read\('a.wav'\)",
    ),
    "frames first into Audio": (
        lambda: hs.Audio(np.ascontiguousarray(BLOCK.T), 44100),
        r"shape \(512, 2\) would have 512 channels: Audio.from_array",
    ),
    "more channels than frames": (lambda: hs.Audio(BLOCK[:, :9].T.copy(), 44100), "would have 9 channels: Audio.from"),
    "no thresholds": (lambda: hs.Listener.from_thresholds({}), "no thresholds are given: give {500: 30"),
    "no thresholds at all": (hs.Listener.from_thresholds, "^no thresholds are given"),
    "profile into render": (
        lambda: hs.render(hs.Profile("N3"), SONG),
        r"render takes a stage .*not Profile: .*hearing_aid",
    ),
    "class into render": (lambda: hs.render(hs.Delay, SONG), r"render takes a stage .*: give Delay\(\.\.\.\)"),
    "block 0": (lambda: hs.render(hs.Delay(1), SONG, block=0), "block = 0 is not a whole number from 1 on"),
    "block 0.5": (lambda: hs.render(hs.Delay(1), SONG, block=0.5), "block = 0.5 is not a whole number"),
    "lists into Audio": (lambda: hs.Audio([[0.0]], 44100), "float32 array, not list: Audio.from_array"),
    "int16 into Audio": (
        lambda: hs.Audio(np.zeros((2, 9), np.int16), 44100),
        "int16 instead of float32: .*scales whole",
    ),
    "one axis into Audio": (lambda: hs.Audio(BLOCK[0], 44100), r"not of the shape \(512,\): .*from_array"),
    "no channels": (lambda: hs.Audio(BLOCK[:0], 44100), r"not of the shape \(0, 512\)"),
    "rate as text": (lambda: hs.Audio(BLOCK, "44100"), "rate = '44100' is not a whole number"),
    "rate 0": (lambda: hs.Audio(BLOCK, 0), "rate = 0 is not a whole number"),
    "rate in kHz": (lambda: hs.Audio(BLOCK, 44.1), "rate = 44.1 is not a whole number"),
    "format of a float": (lambda: hs.Format(44100, 2, 512.0), "Format: block = 512.0 is not a whole number"),
    "format's unit": (lambda: hs.Format(44100, 2, 512, unit="Pa"), "unit = 'Pa' is not known: give 'fs'"),
    "rate into prepare": (lambda: hs.Delay(1).prepare(44100), "Delay: prepare takes a Format, not 44100"),
    "describe a name": (lambda: hs.describe("flat"), "describe takes a stage or chain of stages, not 'flat'"),
    "measure a name": (lambda: hs.measure("flat", fs(512)), "measure takes a stage or chain of stages, not 'flat'"),
    "ledger of a profile": (lambda: hs.latency_ledger(hs.Profile("N3"), fs(512)), "latency_ledger takes a stage"),
    "format left out": (lambda: hs.latency_ledger(hs.Delay(1), 512), "Delay: prepare takes a Format, not 512"),
    "chain of a class": (lambda: hs.Chain(hs.Delay), r"Chain takes a stage .*: give Delay\(\.\.\.\)"),
    "chain of a list": (lambda: hs.Chain([hs.Delay(1)]), "Chain takes a stage or chain of stages, not list"),
    "no branches": (hs.Parallel, "Parallel has no branch"),
    "delay of a float": (lambda: hs.Delay(0.5), "Delay: samples = 0.5 is not a whole number"),
    "delay backwards": (lambda: hs.Delay(-1), "Delay: samples = -1 is not a whole number from 0 on"),
    "reblock to 0": (lambda: hs.Reblock(hs.Delay(1), 0), "Reblock: block = 0 is not a whole number"),
    "misspelt name into hearing_aid": (lambda: hs.hearing_aid("flatt"), r"no profile is called 'flatt'.*mean flat\?"),
    "listener into hearing_aid": (
        lambda: hs.hearing_aid(hs.Profile("N3").listener),
        r"hearing_aid takes a Profile, not Listener: .*load_profile",
    ),
    "misspelt name into listen": (lambda: hs.listen("flatt", SONG), r"no profile is called 'flatt'.*mean flat\?"),
    "misspelt model": (
        lambda: hs.Profile("N3", model="hs-tasnet"),
        r"Profile: no model is called 'hs-tasnet' .*: did you mean hs-tasnet-lite",
    ),
    "process before prepare": (lambda: hs.Delay(3).process(BLOCK), r"Delay is not prepared: call prepare\(Format\("),
    "reset before prepare": (lambda: hs.Delay(3).reset(), "Delay is not prepared"),
    "latency before prepare": (lambda: hs.Reblock(hs.Delay(3), 64).latency, "Reblock is not prepared"),
    "chain before prepare": (lambda: quick_aid().process(BLOCK), "HearingAid is not prepared"),
    "list into process": (
        lambda: prepared(hs.Delay(3)).process(BLOCK.tolist()),
        "Delay: block must be a float32 array",
    ),
    "int16 into process": (lambda: prepared(quick_aid()).process(BLOCK.astype(np.int16)), "aid 'flat': block of int16"),
    "float64 into process": (lambda: prepared(hs.Delay(3)).process(BLOCK.astype(float)), "block of float64: convert"),
    "mono into stereo": (lambda: prepared(quick_aid()).process(BLOCK[:1]), r"prepared for 2 ch, .*shape \(1, 512\)"),
    "one axis": (lambda: prepared(hs.Delay(3)).process(BLOCK[0]), r"shape \(512,\): give arrays \(2, 512\)"),
    "other block": (lambda: prepared(hs.Delay(3)).process(BLOCK[:, :100]), r"shape \(2, 100\): give arrays \(2, 512\)"),
    "after a refusal": (refused_then_used, "ToPascal is not prepared"),
    "int16 into an aid": (lambda: quick_aid()(BLOCK.astype(np.int16)), "x must be an array of float64 or float32"),
    "list into an aid": (lambda: quick_aid()([[0.0]]), "x must be an array of float64 or float32, not list"),
    "Audio into an aid": (lambda: quick_aid()(SONG), r"not Audio: hearsim.render\(aid, audio\) takes Audio"),
    "one axis into an aid": (lambda: quick_aid()(BLOCK[0]), r"shape \(512,\), not \(channels, frames\)"),
    "frames first": (lambda: quick_aid()(BLOCK.T), r"shape \(512, 2\), not 1 to 2 channels x frames \(channels come"),
    "other rate": (
        lambda: quick_aid()(BLOCK, rate=48000),
        r"needs 44100 Hz, got 48000 Hz: resample it \(hearsim.read, soxr.resample",
    ),
    "text for a layout": (lambda: hs.Audio.from_array(BLOCK, 44100, "rows"), "layout = 'rows' is not known"),
    "ambiguous axes": (lambda: hs.Audio.from_array(np.zeros((2, 2)), 44100), "no axis that is surely the frames: give"),
    "path for an array": (lambda: hs.Audio.from_array("a.wav", 44100), "'a.wav' holds no samples"),
    "int64 arrays": (
        lambda: hs.Audio.from_array(np.zeros((2, 99), np.int64), 44100),
        r"int64 \(2, 99\) holds no samples",
    ),
    "ragged lists": (lambda: hs.Audio.from_array([[0.0], [0.0, 1.0]], 44100), "different lengths"),
    "four axes": (lambda: hs.Audio.from_array(np.zeros((1, 1, 1, 9)), 44100), r"not of the shape \(1, 1, 1, 9\)"),
    "file for write": (lambda: hs.write("x.wav", "song.wav"), "write takes an Audio, not"),
    "swapped arguments": (lambda: hs.write(SONG, "x.wav"), "write takes a path first, not Audio"),
    "number for read": (lambda: hs.read(5), "read takes a path, not 5"),
    "none for read": (lambda: hs.read(None), "read takes a path, not None"),
    "number for a profile": (lambda: hs.load_profile(5), "load_profile takes a name or a path, not 5"),
    "a song's name": (lambda: hs.listen(quick_aid(), "no-such-song"), "no-such-song: there is no such file"),
    "array into listen": (lambda: hs.listen(quick_aid(), BLOCK), r"listen takes an Audio or a path, not an array of"),
    "stems into render": (
        lambda: hs.render(hs.Delay(1), hs.Audio(np.zeros((4, 2, 9), np.float32), 44100)),
        "not 4 stems",
    ),
    "one number": (lambda: hs.Audio.from_array(5.0, 44100), "5.0 is one number"),
    "complex samples": (
        lambda: hs.Audio(np.zeros((2, 9), np.complex64), 44100),
        "complex64, which is not a type",
    ),
    "stems as a text": (lambda: hs.Format(44100, 2, 512, stems="vocals"), "stems = 'vocals' is not a tuple of names"),
    "level as text": (lambda: hs.Calibration("94"), "full_scale_db_spl = '94' is not a number from -200 to 400"),
    "level not a number": (lambda: hs.Calibration(float("nan")), "full_scale_db_spl = nan is not a number from"),
    "rate of read": (lambda: hs.read("x.wav", rate="fast"), "read: rate = 'fast' is not a whole number"),
    "name for an ear": (lambda: hs.Ear("N3"), "Ear takes a Profile, not 'N3'"),
    "rate for a check": (lambda: hs.testing.check_processor(hs.Delay(1), 44100), "fmt must be a Format, not 44100"),
    "length as text": (lambda: hs.demo_song("3"), "length must be a number, not '3'"),
    "rate of a song": (lambda: hs.demo_song(3.0, rate=0), "rate = 0 is not a whole number"),
    "seed of a song": (lambda: hs.demo_song(3.0, seed="x"), "seed = 'x' is not a whole number"),
    "mixture of a number": (lambda: hs.mixture(5), "mixture takes stems as Audio, not 5"),
    "mixture of a mixture": (lambda: hs.mixture(SONG), r"not \(2, 2048\): it is one already"),
    "thresholds to prescribe": (lambda: hs.prescribe("nal-r", {500: 30}), "prescribe takes a Listener, not dict: give"),
    "listener first": (
        lambda: hs.prescribe(hs.Profile("N3").listener, "nal-r"),
        "takes a rule's name first, not Listener",
    ),
    "rule misspelt": (lambda: hs.prescribe("nal-x", "N3"), "no fitting rule is called 'nal-x': did you mean .*nal-r"),
    "number for a listener": (lambda: hs.Profile(5), "Profile: listener must be a Listener, a name or a file, not 5"),
    "number for a mix": (lambda: hs.Profile("N3", mix=6), "Profile: mix must be a Mix, a name or a file, not 6"),
    "measure by number": (lambda: hs.listen(quick_aid(), SONG).score(5), "score takes a measure's name, not 5"),
    "nothing for a song": (lambda: hs.listen(quick_aid(), None), "listen takes an Audio or a path, not None"),
    "profile for a song": (lambda: hs.listen(quick_aid(), hs.Profile("N3")), "listen takes an Audio .* not Profile"),
    "array for the true stems": (
        lambda: hs.listen(quick_aid(), SONG, stems=BLOCK),
        r"listen: stems must be an Audio or a folder, not an array of float32 \(2, 512\)",
    ),
    "number for stems": (lambda: hs.Stems(3), "Stems takes Audio by name, not 3: give"),
    "array among stems": (lambda: hs.Stems(vocals=BLOCK), "Stems: vocals must be an Audio, not an array of float32"),
    "sum of no stems": (lambda: hs.Stems().sum(), "there are no stems to add"),
    "list of integers": (
        lambda: hs.Audio.from_array([[0, 1], [2, 4]], 44100, "channels first"),
        "the list holds integers over 1, whose full scale is not known",
    ),
    "mix misspelt": (
        lambda: hs.Profile("N3", mix={"voclas": 6}),
        "^Profile: mix: the key voclas is not known: did you mean vocals",
    ),
    "stage not installed": (
        lambda: hs.Aid(scenario="closed dome", rule="none", mpo_db_spl=100, stages=("soft",)),
        r"stages\[0\] = 'soft' is not a stage of an installed package: ",
    ),
    "measure that does not exist": (
        lambda: hs.listen(quick_aid(), SONG).score("clarity of voices"),
        "no metric of the heard sound is called 'clarity of voices': there are stoi_vocals, (?!.*(sii|lag_samples))",
    ),
    "measure of a report": (
        lambda: hs.listen(quick_aid(), SONG).score("sii"),
        "^sii is not a metric of the heard sound; computed by: report$",
    ),
    "chain for an aid": (lambda: hs.listen(hs.Chain(hs.Delay(1)), SONG), "listen needs an aid that knows its listener"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_answered_in_one_sentence(slip: str) -> None:
    do, sentence = SLIPS[slip]
    with pytest.raises(hs.HearsimError, match=sentence) as answer:
        do()
    assert "\n" not in str(answer.value)


class Halve(Processor):
    """A stage of the fewest lines, that gives another type than it should."""

    def process(self, block: FloatArray) -> FloatArray:
        return block * 0.5 * np.ones(1)


def test_the_next_stage_names_what_is_wrong_with_its_input() -> None:
    chain = hs.Chain(Halve(), hs.Delay(3))
    chain.prepare(fs(512))
    with pytest.raises(hs.HearsimError, match="Delay: block of float64"):
        chain.process(BLOCK)


def test_a_stage_of_the_fewest_lines_has_all_of_the_contract() -> None:
    stage = Halve()
    assert stage.prepare(fs(512)) == fs(512) and stage.latency == 0 and stage.name == "Halve"
    stage.reset()
    assert [part[:2] for part in stage.latency_entries()] == [("Halve", 0)] and stage.non_finite == ()
    assert hasattr(stage, "probe") is False


def test_a_second_thread_gets_a_sentence() -> None:
    """Deterministic: the first thread is held inside `process` until the second has tried."""
    entered, leave = threading.Event(), threading.Event()

    class Waits(Processor):
        def process(self, block: FloatArray) -> FloatArray:
            entered.set()
            assert leave.wait(30)
            return block

    stage = prepared(Waits())
    first = threading.Thread(target=stage.process, args=(BLOCK,))
    first.start()
    try:
        assert entered.wait(30)
        with pytest.raises(
            hs.HearsimError, match="Waits is processing a block in another thread: make a stage for each"
        ):
            stage.process(BLOCK)
    finally:
        leave.set()
        first.join()
    np.testing.assert_array_equal(stage.process(BLOCK), BLOCK)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda stage: pickle.loads(pickle.dumps(stage))])
def test_a_prepared_aid_is_pickled_and_copied(copied: Callable[[hs.Chain], hs.Chain]) -> None:
    """The copy is to be prepared anew, and then gives the same samples."""
    noise = hs.Audio(0.1 * np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32), 44100)
    aid = quick_aid()
    expected = hs.render(aid, noise).samples
    other = copied(aid)
    with pytest.raises(hs.HearsimError, match="HearingAid is not prepared"):
        other.process(BLOCK)
    np.testing.assert_array_equal(hs.render(other, noise).samples, expected)


def test_a_shipped_models_separator_is_pickled_by_name() -> None:
    separator = Separator("hs-tasnet-lite-6ms")
    separator.prepare(fs(128))
    data = pickle.dumps(separator)
    assert len(data) < 1000
    assert pickle.loads(data).prepare(fs(128)).stems == ("vocals", "drums", "bass", "other")


def test_rates_are_whole_numbers_and_integral_floats() -> None:
    audio = hs.Audio(BLOCK, 44100.0)  # type: ignore[arg-type]
    assert (audio.rate, type(audio.rate)) == (44100, int)
    assert quick_aid()(BLOCK, rate=44100.0).shape == BLOCK.shape  # type: ignore[arg-type]


def test_parts_of_ones_own_need_no_name() -> None:
    aid = {"rule": "nal-r", "scenario": "closed dome", "mpo_db_spl": 100}
    rig = hs.Rig(microphone_full_scale_db_spl=94, headphones_full_scale_db_spl=112)
    profile = hs.Profile("N3", mix={"vocals": 6}, aid=aid, rig=rig)
    assert (profile.mix.name, profile.aid.name, profile.rig.name) == ("own", "own", "own")


def test_other_layouts_are_converted_when_asked() -> None:
    """Full scale is 1: 2^15 for 16 bits, 2^31 for 32 bits, 128 either side of 128 for 8 bits."""
    stereo = np.array([[0.5] * 100, [-1.0] * 100], np.float32)
    others: list[object] = [
        stereo.astype(np.float64),
        stereo.T,
        (stereo * 2**15).astype(np.int16).T,
        (stereo.astype(float) * 2**31).astype(np.int32),
        (stereo * 128 + 128).astype(np.uint8),
        torch.from_numpy(stereo).double().requires_grad_(),
        stereo.tolist(),
        np.asfortranarray(stereo),
    ]
    for other in others:
        audio = hs.Audio.from_array(other, 44100)
        assert audio.samples.dtype == np.float32 and audio.samples.flags.c_contiguous
        np.testing.assert_array_equal(audio.samples, stereo)
    square = np.array([[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(hs.Audio.from_array(square, 8000, "channels last").samples, square.T)
    assert hs.Audio.from_array(np.zeros(5), 8000).samples.shape == (1, 5)
    assert hs.Audio.from_array(np.zeros((4, 2, 99)), 8000).samples.shape == (4, 2, 99)


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.longdouble])
def test_audio_of_other_floating_point_is_as_that_of_float32(kind: type[np.floating]) -> None:
    """As the aid takes it; by `Audio.from_array` as well. Samples of float32 are not copied."""
    x = (0.1 * np.random.default_rng(1).standard_normal((2, 3001))).astype(kind)
    single = hs.Audio(x.astype(np.float32), 44100)
    other = hs.Audio(x, 44100)
    assert other.samples.dtype == np.float32 and x.dtype == kind
    np.testing.assert_array_equal(other.samples, single.samples)
    np.testing.assert_array_equal(hs.render(quick_aid(), other).samples, hs.render(quick_aid(), single).samples)
    assert hs.Audio(single.samples, 44100).samples is single.samples
    with np.errstate(all="raise"):
        assert not np.isfinite(hs.Audio(np.full((2, 9), 1e300), 44100).samples).any()


def test_an_aid_takes_arrays_and_returns_arrays() -> None:
    """As render does, in the array's own type; one channel is heard by both ears; the input stays as it is."""
    aid = quick_aid()
    x = 0.1 * np.random.default_rng(1).standard_normal((2, 3001))
    expected = hs.render(aid, hs.Audio(x.astype(np.float32), 44100)).samples
    y = aid(x, rate=44100)
    assert y.dtype == np.float64 and y.shape == x.shape
    np.testing.assert_array_equal(y, expected)
    assert aid(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(aid(x[:1]), aid(np.repeat(x[:1], 2, axis=0)))


def test_samples_beyond_float32_are_silence_without_a_warning_of_numpy() -> None:
    assert not quick_aid()(np.full((2, 2048), 1e300), rate=44100).any()


def test_the_repr_of_a_stage_has_its_settings() -> None:
    assert repr(hs.Delay(5)) == "Delay(samples=5, name='Delay')"
    stage = MpoLimiter((100.0, 95.0))
    before = repr(stage)
    stage.prepare(hs.Format(44100, 2, 512, unit="pa"))
    assert repr(stage) == before and before.startswith("MpoLimiter(") and "95.0" in before


def test_the_repr_of_a_chain_is_its_ledger() -> None:
    aid = quick_aid()
    text = repr(aid)
    assert text.startswith("aid 'flat': 2 ch, 44100 Hz, block 64, full scale ->") and "MPO limiter look-ahead" in text
    aid.prepare(fs(100))
    aid.process(np.ones((2, 100), np.float32))
    state = aid.stages[2]._hop_position.copy()
    assert "block 100" in repr(aid)
    np.testing.assert_array_equal(aid.stages[2]._hop_position, state)  # the description does not reset it
    wrong = hs.Chain(hs.Delay(1), aid.stages[3])
    assert repr(wrong).startswith("<Chain: Delay, MPO limiter; MPO limiter can't take")


def test_writing_and_reading_of_stems(tmp_path: Path) -> None:
    with pytest.raises(hs.HearsimError, match="these are 4 stems"):
        hs.write(tmp_path / "x.wav", hs.Audio(np.zeros((4, 2, 99), np.float32), 44100))
