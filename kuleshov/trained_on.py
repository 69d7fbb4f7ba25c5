"""Which videos a model was trained on, beside its weights, so that it goes where they go.

MODEL/trained_on.json   {"videos": [id, ...]}

Videos are known by the hash of their content: a copy under another name is found, one that was
encoded again is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.sample import Sample

FILE = "trained_on.json"


def trained_on(model: str) -> frozenset[str]:
    """The ids of the videos; none where it is not known.

    Args:
        model: the folder of a model. Of a name on the hub, or behind an endpoint, nothing is known.

    Raises:
        UsageError: the file is another one.
    """
    path = Path(model) / FILE
    if not path.is_file():
        return frozenset()
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8"))["videos"])
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"{path} is no list of videos as `kuleshov train` writes it; remove it, or put back "
            "the one of this model"
        ) from error


def write_trained_on(model: Path, samples: Iterable[Sample], base: str) -> None:
    """Write down the videos of these samples, and those that the model before was trained on.

    Args:
        model: the folder of the trained model.
        samples: that it was trained with; also those that were not drawn count.
        base: the model that it was trained from.
    """
    videos = sorted(trained_on(base) | videos_of(samples))
    replace_text(model / FILE, json.dumps({"videos": videos}, indent=0) + "\n")


def videos_of(samples: Iterable[Sample]) -> frozenset[str]:
    """The ids of all videos that samples show."""
    return frozenset(video for sample in samples for video in sample.video_ids)
