"""Model files: what is refused and how it is said, what is stored, and what comes back."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import net_of
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch.optim.swa_utils import AveragedModel
from typer.testing import CliRunner

from hearsim.aid.hearing_aid import hearing_aid
from hearsim.cli.app import app
from hearsim.core.audio import Audio
from hearsim.core.errors import HearsimError
from hearsim.core.files import find_model, model_names
from hearsim.core.processor import render
from hearsim.profile.load import load_profile
from hearsim.separation.ensemble import EnsembleConfig
from hearsim.separation.hs_tasnet import HSTasNetConfig
from hearsim.separation.models import AVERAGED, checksum, load_model, pack, read_info, save_model, save_weights
from hearsim.separation.net import STEMS, NetConfig
from hearsim.separation.registry import build, read_config, system
from hearsim.separation.tasnet import TasNetConfig
from hearsim.separation.x_umx import XUmxConfig

SMALL: dict[str, NetConfig] = {
    "hs-tasnet": HSTasNetConfig(window=128, hop=32, units=16, bases=12, bands=24, memory="gru", skip=False),
    "x-umx": XUmxConfig(window=128, hop=64, units=16),
    "tasnet": TasNetConfig(window=128, hop=64, units=16, bases=24, stems=("vocals", "rest")),
    "ensemble": EnsembleConfig(
        window=128,
        hop=32,
        members=(
            HSTasNetConfig(window=128, hop=32, units=16, bases=12, bands=24),
            HSTasNetConfig(window=128, hop=32, units=12, bases=8, bands=24, conv_channels=4, masks="centred"),
        ),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(build(SMALL["hs-tasnet"]), "small", "for tests", tmp_path / "small")
    return tmp_path / "small"


def changed(folder: Path, old: str, new: str) -> Path:
    path = folder / "model.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("bands = 24", "bands = 600", r"model\.toml: \[network\] bands = 600: a window of 128 has 65 bins"),
        ("hop = 32", "hop = 50", r"model\.toml: \[network\] hop = 50: it must divide the window of 128"),
        ("hop = 32", "hop = 128", r"\[network\] hop = 128: it must divide"),
        ("window = 128", "window = 63", r"\[network\] window = 63: .* multiple of 2"),
        ("units = 16", 'units = "16"', r"\[network\] units = '16' is not a whole number"),
        ("units = 16", "units = 16.5", r"\[network\] units = 16\.5 is not a whole number"),
        ("units = 16", "units = true", r"\[network\] units = True is not a whole number"),
        ("units = 16", "units = 0", r"\[network\] units = 0 is too low"),
        ("channels = 2", "channels = 3", r"\[network\] channels = 3"),
        ("skip = false", "skip = 0", r"\[network\] skip = 0 is not a truth value"),
        ('memory = "gru"', 'memory = "gruu"', r"\[network\] memory = 'gruu' is not known: give 'lstm' or 'gru'"),
        ("units = 16", "unit = 16", r"\[network\] the key unit is not known: did you mean units\?"),
        ('architecture = "hs-tasnet"', 'architecture = "demucs"', r"model\.toml: architecture = 'demucs'"),
        ('architecture = "hs-tasnet"', 'architecture = "tasnet"', r"\[network\] the key .* is not known"),
        ('weights = "float32"', 'weights = "int8"', r"model\.toml: weights = 'int8'"),
        ("sha256 =", "sha265 =", r"model\.toml: the key sha265 is not known"),
        ("name =", "nmae =", r"model\.toml: the key nmae is not known: did you mean name"),
        ("[network]", "[network", r"model\.toml is not TOML"),
    ],
)
def test_wrong_configurations_get_a_sentence(folder: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(HearsimError, match=sentence) as caught:
        load_model(changed(folder, old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate = 44100", "rate = 48000"),
        ("hop = 32", "hop = 64"),
        ("units = 16", "units = 17"),
        ('"drums",\n    "bass"', '"bass",\n    "drums"'),
        ("parameters = ", "parameters = 1"),
        ('weights = "float32"', 'weights = "float16"'),
    ],
)
def test_a_changed_digit_is_found(folder: Path, old: str, new: str) -> None:
    with pytest.raises(HearsimError, match="is damaged"):
        load_model(changed(folder, old, new))


def test_what_does_not_matter_may_change(folder: Path) -> None:
    net, _ = load_model(folder)
    changed(folder, "bands = 24\n", "")
    again, info = load_model(
        changed(changed(folder, "for tests", "by hand"), "[network]", "[network]  # sizes\nbands=24")
    )
    assert info.summary == "by hand"
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", model_names())
def test_shipped_models_are_light(name: str) -> None:
    net, info = load_model(name)
    assert (find_model(name) / "model.safetensors").stat().st_size <= 20e6
    assert info.parameters == net.parameter_count()


@pytest.mark.parametrize("architecture", SMALL)
def test_a_run_becomes_a_model(architecture: str, tmp_path: Path) -> None:
    run, config = tmp_path / "run", SMALL[architecture]
    run.mkdir()
    net = build(config).eval()
    save_weights(net, run / AVERAGED)
    to_recurrent = CliRunner().invoke(app, ["models", "pack", str(run), "--out", str(tmp_path / "mine")])
    assert to_recurrent.exit_code == 0 and "mine" in to_recurrent.stdout
    loaded, info = load_model(tmp_path / "mine")
    assert (info.name, info.architecture) == ("mine", architecture) and loaded.config == config
    sound = torch.randn(1, 2, 999)
    with torch.no_grad():
        torch.testing.assert_close(loaded(sound), net(sound), atol=0, rtol=0)
    with pytest.raises(HearsimError, match="already holds a model"):
        pack([run], tmp_path / "mine")


def test_two_runs_become_their_mean(tmp_path: Path) -> None:
    nets = []
    for name, masks in (("one", "free"), ("two", "centred")):
        nets.append(build(SMALL["hs-tasnet"].model_copy(update={"masks": masks})).eval())
        (tmp_path / name).mkdir()
        save_weights(nets[-1], tmp_path / name / AVERAGED)
    runs = [str(tmp_path / name) for name in ("one", "two")]
    to_recurrent = CliRunner().invoke(app, ["models", "pack", *runs, "--out", str(tmp_path / "both")])
    assert to_recurrent.exit_code == 0, to_recurrent.output
    loaded, info = load_model(tmp_path / "both")
    assert info.architecture == "ensemble" and info.parameters == sum(net.parameter_count() for net in nets)
    sound = torch.randn(1, 2, 999)
    with torch.no_grad():
        torch.testing.assert_close(loaded(sound), (nets[0](sound) + nets[1](sound)) / 2, atol=1e-6, rtol=1e-5)
    for other, sentence in (
        (
            SMALL["hs-tasnet"].model_copy(update={"hop": 64}),
            r"an ensemble of .*one.*two.*: members: hop is 64 in one and 32",
        ),
        (
            SMALL["x-umx"],
            r"two/averaged\.safetensors is a network of x-umx: an ensemble is made of hs-tasnet ones alone",
        ),
        (SMALL["ensemble"], r"two/averaged\.safetensors is a network of ensemble: an ensemble is made of"),
    ):
        save_weights(build(other), tmp_path / "two" / AVERAGED)
        with pytest.raises(HearsimError, match=sentence):
            pack([tmp_path / "one", tmp_path / "two"], tmp_path / "unlike")
    with pytest.raises(HearsimError, match="is a network of ensemble"):
        pack([tmp_path / "two", tmp_path / "two"], tmp_path / "unlike")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("conv_channels = 4", "conv_channels = -4", r"\[network\] members\[1\]\.conv_channels = -4"),
        ("[[network.members]]", "[network.members]", r"members"),
        ("conv_channels = 4", "conv_channel = 4", r"the key members\[1\]\.conv_channel is not known"),
        (
            'bases = 8\nfusion = "full"\nbands = 24',
            'bases = 8\nfusion = "full"\nbands = 20',
            r"\[network\] members: bands is 20 in one and 24 in another",
        ),
        (
            'branch = "both"\nmemory = "lstm"\nskip = true\nmasks = "centred"',
            'branch = "waveform"\nmemory = "lstm"\nskip = true\nmasks = "centred"',
            r"\[network\] members\[1\]\.masks = 'centred': the waveform",
        ),
        (
            "[network]\nrate = 44100\nwindow = 128\nhop = 32",
            "[network]\nrate = 44100\nwindow = 128\nhop = 64",
            r"model\.toml: \[network\] members: hop is 32 in one and 64",
        ),
    ],
)
def test_wrong_ensembles_get_a_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    save_model(build(SMALL["ensemble"]), "both", "", tmp_path / "both")
    with pytest.raises(HearsimError, match=sentence) as caught:
        load_model(changed(tmp_path / "both", old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("architecture", SMALL)
def test_every_architecture_runs_in_the_aid(architecture: str, tmp_path: Path) -> None:
    net = build(SMALL[architecture].model_copy(update={"stems": STEMS}))
    save_model(net, "net", "", tmp_path / "net")
    profile = load_profile("moderate-vocals-up").model_copy(update={"model": str(tmp_path / "net")})
    song = Audio((0.1 * np.random.default_rng(0).standard_normal((2, 5000))).astype(np.float32), 44100)
    aid = hearing_aid(profile)
    aided = render(aid, song, block=64)
    assert aid.latency == net.latency + 44 and aided.frames == song.frames  # and the limiter's look-ahead
    untouched = render(hearing_aid(load_profile("moderate-vocals-up"), {"separation"}), song, block=64)
    assert np.abs(aided.samples - untouched.samples).max() > 1e-3


@pytest.mark.parametrize("architecture", ["x-umx", "ensemble"])
def test_half_the_bytes(architecture: str, tmp_path: Path) -> None:
    net = build(SMALL[architecture]).eval()
    sizes = []
    for weights in ("float32", "float16"):
        save_model(net, "net", "", tmp_path / weights, weights)  # type: ignore[arg-type]
        sizes.append((tmp_path / weights / "model.safetensors").stat().st_size)
        loaded, info = load_model(tmp_path / weights)
        assert info.weights == weights
        for (key, mine), (_, theirs) in zip(net.named_parameters(), loaded.named_parameters(), strict=True):
            assert theirs.dtype == torch.float32
            rounded = mine.ndim > 1 and weights == "float16"
            assert torch.equal(theirs, mine.half().float() if rounded else mine), key
    assert sizes[1] < 0.6 * sizes[0]


FORMER_LAYERS = {
    **{"spectrum_recurrent": "spectrum_memory", "basis_recurrent": "basis_memory", "recurrent": "memory"},
    **{"fused_recurrent": "fused_memory", "mask_recurrent": "late_memories", "band_embedding": "place"},
    **{"encoder_convolutions": "early", "mask_convolutions": "late", "mask_embedding": "guess"},
    **{"bottleneck": "narrow", "to_recurrent": "remembered"},
}


@pytest.mark.parametrize("architecture", ["x-umx", "tasnet", "ensemble"])
def test_former_names_of_layers_are_read(architecture: str, tmp_path: Path) -> None:
    """In a model, and in a checkpoint's averaged network, which is a part of another module."""
    net, sound = net_of(SMALL[architecture]), torch.randn(1, 2, 999)
    names = {key: ".".join(FORMER_LAYERS.get(layer, layer) for layer in key.split(".")) for key in net.state_dict()}
    former = {names[key]: tensor for key, tensor in net.state_dict().items()}
    info, data = save_model(net, "net", "", tmp_path), save(former)
    (tmp_path / "model.safetensors").write_bytes(data)
    loaded, _ = load_model(changed(tmp_path, info.sha256, checksum(info, data)))
    averaged = AveragedModel(build(net.config)).eval()
    averaged.load_state_dict({"n_averaged": torch.tensor(1)} | {f"module.{key}": former[key] for key in former})
    with torch.no_grad():
        assert torch.equal(loaded(sound), net(sound)) and torch.equal(averaged(sound), net(sound))


def test_what_pack_refuses(tmp_path: Path) -> None:
    config = SMALL["tasnet"]
    net = build(config)
    path, out = tmp_path / AVERAGED, tmp_path / "out"
    with pytest.raises(HearsimError, match="does not exist"):
        pack([tmp_path], out)
    path.write_bytes(b"no weights")
    with pytest.raises(HearsimError, match="can't be read"):
        pack([tmp_path], out)
    save_file(net.state_dict(), path)
    with pytest.raises(HearsimError, match="give --system"):
        pack([tmp_path], out)
    with pytest.raises(HearsimError, match="another network"):
        pack([tmp_path], out, config=SMALL["x-umx"])
    assert pack([tmp_path], out, config=config).parameters == net.parameter_count()
    for words in (["--out", str(out)], [str(path)]):
        assert CliRunner().invoke(app, ["models", "pack", *words]).exit_code == 2
    with torch.no_grad():
        net.mask.weight[0, 0] = 1e6
    with pytest.raises(HearsimError, match=r"mask\.weight holds weights too large"):
        save_model(net, "net", "", tmp_path / "large", "float16")
    with torch.no_grad():
        net.mask.weight[0, 0] = torch.nan
    save_weights(net, path)
    with pytest.raises(HearsimError, match="not finite"):
        pack([path], tmp_path / "other")
    assert not (tmp_path / "other").exists() and not (tmp_path / "large").exists()


@pytest.mark.parametrize("others", [{"bands": 0}, {"features": "complex"}, {"branch": "waveform"}, {"branch": "wave"}])
def test_convolutions_need_bands_of_magnitudes(others: dict[str, object]) -> None:
    with pytest.raises(HearsimError, match=r"the spec: .*(conv_channels = 4: convolutions need bands|branch = 'wave')"):
        read_config("hs-tasnet", {"bands": 24, "conv_channels": 4, **others}, "the spec:")


@pytest.mark.parametrize("members", [5, True, "both", {"units": 4}, []])
def test_members_are_a_list(members: object) -> None:
    with pytest.raises(HearsimError, match=r"the spec: members"):
        read_config("ensemble", {"members": members}, "the spec:")


def test_a_system_that_is_none() -> None:
    with pytest.raises(HearsimError, match="no system is called 'hs-tasnet-huge'"):
        system("hs-tasnet-huge")


def test_weights_are_stored_as_said(tmp_path: Path) -> None:
    shutil.copytree(find_model("hs-tasnet-lite"), tmp_path / "copy")
    with safe_open(tmp_path / "copy" / "model.safetensors", "pt") as file:
        kinds = {str(file.get_tensor(key).dtype) for key in file.keys() if file.get_tensor(key).ndim > 1}  # noqa: SIM118
    assert kinds == {f"torch.{read_info(tmp_path / 'copy').weights}"}
