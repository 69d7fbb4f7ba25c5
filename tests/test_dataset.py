from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kuleshov.dataset import load_samples, load_skips, videos_root, write
from kuleshov.errors import UsageError
from kuleshov.sample import Sample, Skip
from tests.test_sample import a_sample


def a_set() -> list[Sample]:
    held_out = a_sample()
    knobs = {"num_clips": 2, "num_frames": 4}
    train = replace(held_out, id="b", split="train", task="jigsaw", answer=[2, 1], knobs=knobs)
    return [train, held_out]


SKIPS = [Skip("x.mp4", "has no video stream"), Skip("y.mp4", "too short", "jigsaw")]
CONFIG = {"videos": "/videos", "seed": 3}


def test_a_set_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    assert load_samples(tmp_path) == a_set()
    assert load_samples(tmp_path, "held_out") == a_set()[1:]
    assert load_skips(tmp_path) == SKIPS
    assert videos_root(tmp_path) == Path("/videos")


def test_the_summary_counts_samples_videos_and_skips(tmp_path: Path) -> None:
    summary = write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert summary["tasks"] == {
        "anomaly": {"train": 0, "held_out": 1},
        "jigsaw": {"train": 1, "held_out": 0},
    }
    assert (summary["samples"], summary["skips"]) == (2, 2)
    assert summary["skips_by_task"] == {"(video)": 1, "jigsaw": 1}


def test_writing_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    write(tmp_path, a_set()[:1], CONFIG)
    assert load_samples(tmp_path) == a_set()[:1]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["train-00000.parquet"]


def test_the_same_samples_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, [*a_set(), *SKIPS], CONFIG)
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file():
            assert (
                path.read_bytes()
                == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
            )


def test_datasets_reads_a_set_without_custom_code(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write(tmp_path / "out", [*a_set(), *SKIPS], CONFIG)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "held_out"}
    assert Sample.from_row(loaded["held_out"][0]) == a_set()[1]


def test_the_card_names_splits_and_counts(tmp_path: Path) -> None:
    write(tmp_path, [*a_set()[:1], *SKIPS], CONFIG)
    card = (tmp_path / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    files = header["configs"][0]["data_files"]
    assert files == [{"split": "train", "path": "samples/train-*.parquet"}]
    assert "| jigsaw | 1 | 0 |" in card


def test_an_unfinished_set_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"make one with `kuleshov make VIDEOS -o "):
        load_samples(tmp_path)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    with pytest.raises(UsageError, match="unknown split 'test'; known: train, held_out"):
        load_samples(tmp_path, "test")
