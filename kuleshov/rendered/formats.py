"""The file formats by name."""

from __future__ import annotations

from kuleshov.rendered.format import Format
from kuleshov.rendered.mp4 import Mp4
from kuleshov.rendered.parquet import Parquet
from kuleshov.rendered.tar import Tar

FORMATS: dict[str, Format] = {"mp4": Mp4(), "parquet": Parquet(), "tar": Tar()}
