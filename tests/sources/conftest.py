from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.sources import Asked, Found, find
from kuleshov.synthesize import MakeConfig, make

NAMES = ["a.mp4", "b.mp4", "sub/c.mp4"]


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, short_clips: Path) -> Path:
    """A folder of three clips, one of them in a folder below; not to be written to."""
    folder = tmp_path_factory.mktemp("sources") / "videos"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(NAMES):
        shutil.copy(short_clips / f"clip-{i:04}.mp4", folder / name)
    return folder


@pytest.fixture(scope="session")
def ids(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The ids of the samples that the folder gives, sorted."""
    return ids_of(videos, tmp_path_factory.mktemp("of_the_folder"))


def ids_of(
    address: str | Path, out: Path, column: str | None = None, root: str | None = None
) -> list[str]:
    """The ids of the samples that something gives, sorted."""
    config = MakeConfig(tasks={"jigsaw": {}}, workers=0, column=column, root=root)
    make(address, out, config)
    return sorted(sample.id for sample in load_samples(out))


def found(address: str | Path, column: str | None = None, root: str | None = None) -> Found:
    """What a source that extracts nothing holds."""
    return find(Asked(str(address), Path("nowhere"), column, root))
