"""The specification of a training run: one TOML, checked; unknown keys are refused."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from hearsim.core.errors import HearsimError
from hearsim.core.files import cache_folder, read_toml
from hearsim.core.validation import check
from hearsim.music.datasets import Skipped, Source, find_sources
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.music.tracks import matching
from hearsim.separation.net import STEMS, NetConfig
from hearsim.separation.registry import architecture_of, read_config, system
from hearsim.training.augmentation import Augmentation
from hearsim.training.losses import Criterion


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSpec(_Table):
    """The network: a system by name (`hearsim show systems`), and changes to its sizes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    system: str = "hs-tasnet-lite"

    def config(self, where: str) -> NetConfig:
        """Return the configuration; raises `HearsimError` naming `where` and the key."""
        base = system(self.system)
        table = {**base.model_dump(), **(self.model_extra or {})}
        config = read_config(architecture_of(base), table, f"{where}: model")
        if (config.stems, config.channels) != (STEMS, 2):
            raise HearsimError(
                f"{where}: model: examples are stereo and have the stems {', '.join(STEMS)}, in this order: leave "
                "channels and stems out"
            )
        return config


class SourceSpec(_Table):
    """A further folder of tracks; those of two stems (vocals and accompaniment) give a loss on these two alone."""

    root: Path
    weight: NonNegativeFloat = 1.0  # how often its tracks are drawn, times their lengths; 0: the folder is not read
    up_to_hz: PositiveFloat | None = None  # where its vocals are known: the songs are low-passed, and their vocals stay
    # with their songs


class DataSpec(_Table):
    """The folders of the tracks, the tracks excluded from training, and how often each kind is drawn.

    Tracks of a source are called SOURCE/NAME.
    """

    root: Path
    sources: dict[str, SourceSpec] = {}
    cache: Path = Field(default_factory=lambda: cache_folder() / "stems")
    load: bool = (
        False  # read the cache into memory (up to 42 MB a minute of song), where the system would drop mapped files
    )
    ignore: tuple[str, ...] = ()  # skipped files: sound that is not a stem, damaged files; patterns
    held_out: tuple[str, ...] = ()  # whole tracks for the score; patterns
    left_out: tuple[str, ...] = ()  # neither trained on nor scored: parts of held-out songs
    validation: tuple[str, ...] = ()  # tracks for the score during training; patterns; never trained on
    weights: dict[str, NonNegativeFloat] = {}  # pattern of track names: weight; the last that fits counts

    def roles(self, names: list[str]) -> dict[str, set[str]]:
        """Return the names of the tracks by the key whose patterns fit them, and "training" for the rest.

        Raises `HearsimError` for a pattern that fits none: a misspelt held-out track would be trained on.
        """
        keys = {"held_out": self.held_out, "left_out": self.left_out, "validation": self.validation}
        matching(names, self.weights, str(self.root), "data.weights")
        chosen = {key: matching(names, patterns, str(self.root), f"data.{key}") for key, patterns in keys.items()}
        return {**chosen, "training": set(names).difference(*chosen.values())}

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that are read: a prefix of the names of their tracks, and the folder."""
        return {"": self.root} | {f"{name}/": each.root for name, each in self.sources.items() if each.weight > 0}

    @property
    def all_weights(self) -> dict[str, float]:
        """The weights of the sources and of patterns of names; the last that fits counts."""
        return {f"{name}/*": each.weight for name, each in self.sources.items()} | self.weights

    @property
    def limits_hz(self) -> dict[str, float]:
        """The frequencies up to which vocals are known, by pattern of track names."""
        return {f"{name}/*": each.up_to_hz for name, each in self.sources.items() if each.up_to_hz is not None}

    def listing(self) -> list[str]:
        """Return a line for each track: its role, its stems and their files; then the skipped files."""
        sources = [
            (prefix, folder, one)
            for prefix, folder in self.folders.items()
            for one in find_sources(folder, self.ignore)
        ]
        tracks = [(prefix + one.name, folder, one) for prefix, folder, one in sources if isinstance(one, Source)]
        roles = self.roles([name for name, _, _ in tracks])
        lines = []
        for name, folder, track in tracks:
            files = {
                stem: ", ".join(str(part.path.relative_to(folder)) for part in parts)
                for stem, parts in track.stems.items()
            }
            lacks = [] if ACCOMPANIMENT in files else [stem for stem in STEMS if stem not in files]
            role = ", ".join(key.replace("_", " ") for key, names in roles.items() if name in names)
            listing = "; ".join(f"{stem}: {names}" for stem, names in files.items())
            lines.append(f"{name} ({role}): {listing}" + (f"; without {', '.join(lacks)}" if lacks else ""))
        return lines + [f"left out: {one.path}: {one.why}" for _, _, one in sources if isinstance(one, Skipped)]


class OptimizerSpec(_Table):
    """Muon or AdamW with warm-up, gradient clipping and averaged weights; how long, how fast, how often saved."""

    steps: PositiveInt
    batch: PositiveInt = 8
    seconds: PositiveFloat = 4.0  # of each example at each step: the length of back-propagation
    pieces: PositiveInt = 4  # steps an example lasts; the network's state is carried over them
    reset: float = Field(
        default=1.0, ge=0, le=1
    )  # chance that an example starts from the zero state, else the state continues
    loss: Criterion = "l1"
    method: Literal["adamw", "muon"] = "adamw"  # see hearsim.training.optimizers
    learning_rate: PositiveFloat = 1.5e-3
    warm_up: int = Field(default=50, ge=0)
    schedule: Literal["cosine", "plateau"] = "cosine"
    clip: PositiveFloat = 5.0
    weight_decay: float = Field(default=0.01, ge=0)
    average: float = Field(default=0.998, ge=0, lt=1)  # decay of the exponential moving average of the weights
    seed: int = Field(default=0, ge=0)
    threads: PositiveInt = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; weights are float32
    save_minutes: PositiveFloat = 4.0


class ValidationSpec(_Table):
    """The score during training: mean SDR in dB of the averaged weights on excerpts of `data.validation`."""

    every: PositiveInt = 500  # steps
    excerpts: PositiveInt = 2  # of each track
    seconds: PositiveFloat = 20.0  # of each excerpt
    flat: PositiveInt = 3  # scores without a new best after which a "plateau" schedule cuts the learning rate
    cut: float = Field(default=0.3, gt=0, lt=1)  # to this share
    stop: int = Field(default=0, ge=0)  # scores without a new best after which training ends; 0: never


class TrainSpec(_Table):
    """One run."""

    model: ModelSpec
    data: DataSpec
    optimizer: OptimizerSpec
    validation: ValidationSpec = ValidationSpec()
    augmentation: Augmentation = Augmentation()


def read_spec(path: Path) -> TrainSpec:
    """Read a training spec; raises `HearsimError` naming file and key."""
    spec = check(path, TrainSpec, read_toml(path))
    spec.model.config(str(path))
    if (spec.optimizer.schedule == "plateau" or spec.validation.stop) and not spec.data.validation:
        raise HearsimError(f"{path}: a plateau and an early stop need a score: name tracks in data.validation")
    try:
        root, cache = path.parent / spec.data.root.expanduser(), spec.data.cache.expanduser()
        sources = {
            name: each.model_copy(update={"root": path.parent / each.root.expanduser()})
            for name, each in spec.data.sources.items()
        }
    except RuntimeError:
        raise HearsimError(
            f"{path}: data: ~ stands for no folder here: write root, cache and the sources' roots in full"
        ) from None
    data = spec.data.model_copy(update={"root": root, "cache": cache, "sources": sources})
    return spec.model_copy(update={"data": data})
