"""Many small runs of one recipe, each different in a few keys, trained one after the other and scored alike.

`hearsim train VARIANTS --variants` makes the table of an experiment. The file names a base spec, seeds, what is
scored, and for each variant the keys that differ:

    base = "../base.toml"
    seeds = [1, 2]

    [test]
    seconds = 60.0
    tracks = { real = ["r02_*"], rendered = ["s04_*"] }

    [variants.gru]
    model.memory = "gru"

Every run has a folder of its own, VARIANT-SEED, in the run folder. What is finished isn't done again and what was
interrupted goes on, so several files may share a run folder, and the runs of a variant that they have in common.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, StringConstraints, ValidationError

from hearsim.errors import HearsimError
from hearsim.separation.model import complaint
from hearsim.training.spec import TrainSpec, read_spec

Name = Annotated[str, StringConstraints(pattern=r"^[\w.]+(-[\w.]+)*$")]


class ScoreSpec(BaseModel):
    """What is scored: an excerpt of `seconds` from the middle of each track, tracks in named groups of patterns."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seconds: PositiveFloat = 60.0
    tracks: dict[str, tuple[str, ...]] = Field(min_length=1)


class VariantsSpec(BaseModel):
    """What a file of variants says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path
    seeds: tuple[NonNegativeInt, ...] = Field(default=(1, 2), min_length=1)
    test: ScoreSpec
    variants: dict[Name, dict[str, dict[str, Any]]] = Field(min_length=1)


class Variants:
    """A file of variants, read and checked: the spec of each run.

    Raises `HearsimError` naming file and key; also for a variant that trains on what is scored, or that changes where
    the tracks lie or their rate, as all variants share them.
    """

    def __init__(self, path: Path) -> None:
        try:
            said = VariantsSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise HearsimError(f"{path} can't be read ({error.strerror}): give a file of variants (TOML)") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise HearsimError(f"{path} is not TOML: {error}") from None
        except ValidationError as error:
            raise HearsimError(f"{path}: {complaint(error, VariantsSpec)}") from None
        self.test = said.test
        base = read_spec(path.parent / said.base)
        self.base, self.rate = base, base.model.config(str(said.base)).rate
        self.specs: dict[tuple[str, int], TrainSpec] = {}  # all variants of the first seed, then of the next
        for seed in said.seeds:
            for name, changes in said.variants.items():
                self.specs[name, seed] = _changed(base, name, seed, changes, f"{path}: variants.{name}")
        for name in said.variants:
            spec = self.specs[name, said.seeds[0]]
            if (spec.data.root, spec.data.cache) != (base.data.root, base.data.cache):
                raise HearsimError(f"{path}: variants.{name} has tracks of its own: name root and cache in the base")
            if spec.model.config("").rate != self.rate:
                raise HearsimError(f"{path}: variants.{name} has a rate of its own: name model.rate in the base spec")


def _changed(base: TrainSpec, name: str, seed: int, changes: dict[str, dict[str, Any]], where: str) -> TrainSpec:
    """Return a base spec with some keys changed."""
    tables = base.model_dump()
    for table, keys in changes.items():
        tables[table] = {**tables.get(table, {}), **keys}
    tables["model"]["name"], tables["optimizer"]["seed"] = name, seed
    try:
        spec = TrainSpec.model_validate(tables)
    except ValidationError as error:
        raise HearsimError(f"{where}: {complaint(error, TrainSpec)}") from None
    spec.model.config(where)
    return spec
