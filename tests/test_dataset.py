from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest
import yaml

from kuleshov import dataset
from kuleshov.dataset import BadRow, iterate_rows, load_samples, load_skips, videos_root, write
from kuleshov.errors import UsageError
from kuleshov.named import remember
from kuleshov.sample import Sample, Skip
from tests.test_sample import a_sample


def a_set() -> list[Sample]:
    held_out = a_sample()
    knobs = {"num_clips": 2, "num_frames": 4}
    train = replace(held_out, id="b", split="train", task="jigsaw", answer=[2, 1], knobs=knobs)
    return [train, held_out]


def unlisted(out: Path) -> Path:
    """A set as a version wrote it that did not list its files."""
    summary = json.loads((out / "summary.json").read_text())
    del summary["manifest"]
    (out / "summary.json").write_text(json.dumps(summary))
    (out / "manifest.json").unlink()
    return out


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no JSON"),
        (chr(0) * 99, "is no JSON"),
        ('{"samples": 2', "is no JSON"),
        ("[" * 100_000, "is nested more than 64 levels"),
        ('{"samples": 2}', "lacks videos"),
        ('{"samples": "2"}', "has samples '2'"),
        ('{"samples": NaN}', "has samples nan"),
    ],
)
def test_a_summary_that_was_harmed_is_named(content: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UsageError, match=f"summary.json {re.escape(message)}.*make"):
        load_samples(tmp_path)


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 9999, "x: {", "- videos", "videos: [x]"])
def test_settings_that_say_nothing_are_named(text: str, tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"config.yaml (does not say|names no folder)"):
        videos_root(tmp_path)


@pytest.mark.parametrize(
    "name", ["summary.json", "manifest.json", "config.yaml", "samples/train-00000.parquet"]
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    if name != "manifest.json":
        unlisted(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match=f"{name}:? .*is no file"):
        videos_root(tmp_path)
        load_samples(tmp_path)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [*a_set(), *SKIPS], CONFIG)
    with pytest.raises(UsageError, match="unknown split 'test'; known: train, held_out"):
        load_samples(tmp_path, "test")


def many(count: int = 600) -> list[Sample]:
    held_out, train = [replace(a_sample(), id=f"h{i}") for i in range(9)], []
    for i in range(count):
        train.append(replace(held_out[0], id=f"t{i}", split="train"))
    return [*train, *held_out]


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set with three shards of training."""
    monkeypatch.setattr(dataset, "_ROWS_PER_FILE", 250)
    write(tmp_path / "set", [*many(), *SKIPS], CONFIG)
    assert len(list((tmp_path / "set" / "samples").iterdir())) == 4
    return tmp_path / "set"


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "emptied": (lambda path: cut(path, 0), "has 0 bytes in the place of"),
    "cut": (lambda path: cut(path, 999), "has 999 bytes in the place of"),
    "zeroed": (
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "has other content than when it was written",
    ),
    "exchanged": (
        lambda path: path.write_bytes(path.with_name("train-00000.parquet").read_bytes()),
        "has ",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_shard_that_was_harmed_is_named_with_the_remedy(harm: str, shards: Path) -> None:
    do, why = HARM[harm]
    do(shards / "samples" / "train-00001.parquet")
    said = rf"set/samples/train-00001\.parquet: the file {why}.*start the command again that made"
    for split in ("train", None):
        with pytest.raises(UsageError, match=said):
            load_samples(shards, split)
    assert len(load_samples(shards, "held_out")) == 9
    rows = list(iterate_rows(shards))
    assert [row.where for row in rows if isinstance(row, BadRow)] == ["samples/train-00001.parquet"]
    assert sum(isinstance(row, Sample) for row in rows) == 359


def test_a_shard_that_was_added_is_named(shards: Path) -> None:
    shutil.copy(shards / "samples" / "train-00000.parquet", shards / "samples/train-00009.parquet")
    with pytest.raises(UsageError, match=r"train-00009\.parquet: the file is no file of this set"):
        load_samples(shards)


def test_shards_of_before_there_were_lists_are_counted(
    shards: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = load_samples(shards)
    unlisted(shards)
    assert load_samples(shards) == before == load_samples(shards)
    (record,) = caplog.records
    assert "set is of a version that did not list its files" in record.message
    (shards / "samples" / "train-00001.parquet").unlink()
    said = (
        r"samples/train-\*\.parquet: the file has 350 of the 600 samples that summary.json counts"
    )
    with pytest.raises(UsageError, match=said):
        load_samples(shards)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_a_list_that_was_harmed_is_told(content: bytes | None, shards: Path) -> None:
    path = shards / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(
        UsageError, match=r"manifest\.json: the file (is missing|has other content)"
    ):
        load_samples(shards)


def test_a_list_of_a_stranger_leads_nowhere_else(shards: Path) -> None:
    summary = json.loads((shards / "summary.json").read_text())
    listed = json.loads((shards / "manifest.json").read_text())
    for text in ("[]", "[" * 100_000, "x", json.dumps({**listed, "../../x": {"size": 3}})):
        (shards / "manifest.json").write_text(text)
        summary["manifest"] = blake2b(text.encode(), digest_size=16).hexdigest()
        (shards / "summary.json").write_text(json.dumps(summary))
        if text.startswith("{"):
            assert len(load_samples(shards)) == 609
        else:
            with pytest.raises(UsageError, match=r"manifest\.json: the file is no list of files"):
                load_samples(shards)


def test_skips_that_were_harmed_are_named_where_they_are_read(shards: Path) -> None:
    cut(shards / "skips.jsonl", 30)
    assert len(load_samples(shards)) == 609
    with pytest.raises(UsageError, match=r"skips\.jsonl has 30 bytes in the place of"):
        load_skips(shards)
    unlisted(shards)
    with pytest.raises(UsageError, match=r"skips\.jsonl, line 1: is no skip"):
        load_skips(shards)
    (shards / "skips.jsonl").write_text("")
    with pytest.raises(UsageError, match=r"skips\.jsonl has 0 of the 2 skips that summary"):
        load_skips(shards)


def test_settings_that_were_changed_are_taken_with_a_warning(
    shards: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (shards / "config.yaml").write_text("videos: /elsewhere")
    remember(Path("/elsewhere"))
    assert videos_root(shards) == Path("/elsewhere") == videos_root(shards)
    (record,) = caplog.records
    assert "config.yaml has 18 bytes in the place of" in record.message
    for text in ("", "[]", "videos: 3", "a: [", "seed: 3", "\0\0"):
        (shards / "config.yaml").write_text(text)
        with pytest.raises(UsageError, match=r"config\.yaml (names|does not say)"):
            videos_root(shards)


def test_the_list_has_the_rows_of_each_file(shards: Path) -> None:
    listed = json.loads((shards / "manifest.json").read_text())
    assert {name: of.get("count") for name, of in listed.items()} == {
        "config.yaml": None,
        "skips.jsonl": None,
        "samples/held_out-00000.parquet": 9,
        "samples/train-00000.parquet": 250,
        "samples/train-00001.parquet": 250,
        "samples/train-00002.parquet": 100,
    }
