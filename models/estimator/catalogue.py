"""The catalogue: the models that the mirror can use, as models/catalogue.toml lists them."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

DEFAULT_MODEL: Final = "posenet_mobilenet_v1_075_353_481_quant_decoder"
"""PoseNet for the CPU: the model to download, and the one to use wherever it is."""

BUNDLED_MODEL: Final = "posenet_drawn"
"""The model that is shipped with the program, for machines without `DEFAULT_MODEL`."""

SHORT_NAMES: Final = {"posenet": DEFAULT_MODEL, "bundled": BUNDLED_MODEL}
"""Names that are easier to type, for the two models that most people use."""

DEFAULT_CROP_SIDE: Final = 353
"""The `crop_side` of a model that does not name its own. PoseNet's; see docs/explanation/finding-people.md."""


class Model(NamedTuple):
    """A model of the catalogue."""

    name: str
    url: str
    """Empty for the bundled model."""
    sha256: str
    bytes: int
    licence: str
    size: tuple[int, int]
    """Height and width of its input, in pixels."""
    edgetpu: str | None
    """The name of the same model compiled for the Edge TPU."""
    about: str
    crop_side: int = DEFAULT_CROP_SIDE
    """The side in pixels at which the model reads a square crop around one person best."""

    @property
    def file_name(self) -> str:
        return f"{self.name}.tflite"


@cache
def catalogue() -> list[Model]:
    """Return all models, in the order in which to list them."""
    text = files("models").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return [
        Model(
            name=name,
            url=entry.get("url", ""),
            sha256=entry["sha256"],
            bytes=entry["bytes"],
            licence=entry["licence"],
            size=(entry["size"][0], entry["size"][1]),
            edgetpu=entry.get("edgetpu"),
            about=entry["about"],
            crop_side=entry.get("crop_side", DEFAULT_CROP_SIDE),
        )
        for name, entry in tomllib.loads(text).items()
    ]


def find_in_catalogue(name: str) -> Model | None:
    """Return the model of a name, with or without .tflite; None if the catalogue does not have it.

    A short name has no .tflite: `posenet.tflite` may be any file.
    """
    stem = SHORT_NAMES.get(name, name).removesuffix(".tflite")
    return next((model for model in catalogue() if model.name == stem), None)


def edgetpu_variant(name: str) -> str | None:
    """Return the name of the same model compiled for the Edge TPU; None if the catalogue has no such model."""
    model = find_in_catalogue(Path(name).name)
    return model.edgetpu if model else None


def suggest_names(name: str) -> str:
    """Return the end of an error message about an unknown name: the nearest names, and how to see all of them."""
    names = [*SHORT_NAMES, *(model.name for model in catalogue())]
    nearest = get_close_matches(name.lower().removesuffix(".tflite"), names, n=3, cutoff=0.5)
    described = [f"{near} ({SHORT_NAMES[near]})" if near in SHORT_NAMES else near for near in nearest]
    question = f"did you mean {' or '.join(described)}? " if described else ""
    return f"{question}`pose-mirror models list` shows all {len(catalogue())}"
