"""Where videos come from: everything that `kuleshov make VIDEOS` takes.

    videos                           a folder, recursively              folder
    'data/**/*.mp4'                  a glob                             folder
    list.txt  list.csv  list.jsonl   paths in text                      lists
    list.parquet  'data/*.parquet'   paths, or videos, in a column      tables
    saved                            what `datasets.save_to_disk` wrote tables
    s3://bucket/videos               any of these, through fsspec

Paths come relative to a root, and nothing leads out of it: `kuleshov.locations.within` decides.
"""

from __future__ import annotations

from kuleshov.errors import KuleshovError, UsageError
from kuleshov.locations import reason
from kuleshov.sources.folder import SUFFIXES, Folder, Glob
from kuleshov.sources.lists import Csv, JsonLines, Lines
from kuleshov.sources.source import Asked, Found, Source
from kuleshov.sources.tables import Parquet, Saved

__all__ = ["SOURCES", "SUFFIXES", "Asked", "Folder", "Found", "Source", "find"]

SOURCES: tuple[type[Source], ...] = (Saved, Folder, Parquet, Lines, Csv, JsonLines, Glob)
"""All kinds; the first that takes what was asked for is used."""


def find(asked: Asked) -> Found:
    """The paths of all videos of a folder, glob, list or dataset. None of them is opened.

    Raises:
        UsageError: it is none of these, there are no videos in it, or it cannot be read.
    """
    try:
        for source in (kind(asked) for kind in SOURCES):
            if source.takes():
                return source.find()
    except KuleshovError:
        raise
    except OSError as error:
        raise UsageError(
            f"{asked.address} cannot be read: {reason(error)}; give videos that you may read"
        ) from error
    raise UsageError(
        f"{asked.address} is not a folder; give the folder that holds the videos, a glob, a list "
        "(.txt, .csv, .jsonl, .parquet) or a dataset that was saved to disk"
    )
