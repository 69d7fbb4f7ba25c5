"""Which videos a model was trained on, and at which positions (train/positions.py) where not at
those installed, beside its weights, so that it goes where they go.

MODEL/trained_on.json   {"videos": [id, ...], "positions": "largest_plus_one"}

Videos are known by the hash of their content: a copy under another name is found, one that was
encoded again is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.generation import POSITIONS
from kuleshov.sample import Sample
from kuleshov.untrusted import json_value, read_text

T = TypeVar("T")
FILE = "trained_on.json"


def trained_on(model: str) -> frozenset[str]:
    """The ids of the videos; none where it is not known.

    Args:
        model: the folder of a model. Of a name on the hub, or behind an endpoint, nothing is known.

    Raises:
        UsageError: the file is another one.
    """
    return _read(model, lambda told: frozenset(told["videos"]), frozenset())


def trained_with(model: str) -> str | None:
    """The positions that a model was trained with by `kuleshov train`, None if it was not.

    Args:
        model: see `trained_on`.

    Raises:
        UsageError: the file is another one.
    """
    return _read(model, lambda told: str(told.get("positions", POSITIONS[0])), None)


def _read(model: str, take: Callable[[dict[str, Any]], T], unknown: T) -> T:
    path = Path(model) / FILE
    if not path.is_file():
        return unknown
    try:
        return take(json_value(read_text(path)))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no list of videos as `kuleshov train` writes it; remove it, or put back "
            "the one of this model"
        ) from error


def write_trained_on(
    model: Path, samples: Iterable[Sample], base: str, positions: str = POSITIONS[0]
) -> None:
    """Write down the videos of these samples, and those that the model before was trained on.

    Args:
        model: the folder of the trained model.
        samples: that it was trained with; also those that were not drawn count.
        base: the model that it was trained from.
        positions: in `generation.POSITIONS`.
    """
    told: dict[str, Any] = {"videos": sorted(trained_on(base) | videos_of(samples))}
    if positions != POSITIONS[0]:
        told["positions"] = positions
    replace_text(model / FILE, json.dumps(told, indent=0) + "\n")


def videos_of(samples: Iterable[Sample]) -> frozenset[str]:
    """The ids of all videos that samples show."""
    return frozenset(video for sample in samples for video in sample.video_ids)
