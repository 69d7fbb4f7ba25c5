from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuleshov.dataset import load_samples, write
from kuleshov.errors import UsageError
from kuleshov.media import render
from kuleshov.rendered import RenderConfig, load, render_set, shards
from kuleshov.rendered.formats import FORMATS
from kuleshov.runners import Failed, Here
from kuleshov.synthesize import MakeConfig, make
from tests.rendered.conftest import make_set

by_format = pytest.mark.parametrize("name", FORMATS)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 4)


def config(name: str = "parquet", **settings: Any) -> RenderConfig:
    return RenderConfig(**{"format": name, "workers": 0, **settings})


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def skips(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "skips.jsonl").read_text().splitlines()]


@by_format
def test_what_is_read_back_is_what_a_model_is_shown(
    name: str, videos: Path, data: Path, tmp_path: Path
) -> None:
    summary = render_set(data, tmp_path, config(name))
    samples, shown = load_samples(data), list(load(tmp_path))
    assert summary["samples"] == len(samples) == 12 and summary["skips"] == 0
    assert [one.sample for one in shown] == samples
    assert len({sample.split for sample in samples}) == 2
    for sample, frames, seconds in shown:
        assert seconds == [[f.shown_seconds for f in item.frames] for item in sample.media]
        for kept, true in zip(frames, render(sample, videos), strict=True):
            assert kept.shape == true.shape
            assert np.abs(kept.astype(int) - true).mean() < 6


@by_format
def test_images_are_read_back_as_single_frames(
    name: str, short_clips: Path, tmp_path: Path
) -> None:
    knobs = {"fps": 4.0, "max_similarity": 0.9999, "stills": "image", "max_pixels": 64 * 64}
    data = tmp_path / "set"
    make(short_clips, data, MakeConfig(tasks={"masked": {**knobs, "min_pixels": 64}}, workers=0))
    render_set(data, tmp_path / "out", config(name))
    shown = list(load(tmp_path / "out"))
    assert [one.sample for one in shown] == load_samples(data) != []
    for sample, frames, seconds in shown:
        assert seconds[1:] == [[0.0]] * 6 and len(seconds[0]) > 1
        for kept, true in zip(frames, render(sample, short_clips), strict=True):
            assert kept.shape == true.shape
            assert np.abs(kept.astype(int) - true).mean() < 6


@by_format
def test_workers_change_no_byte(name: str, data: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        render_set(data, tmp_path / str(workers), config(name, workers=workers))
    assert all_bytes(tmp_path / "0") == all_bytes(tmp_path / "2")


class Killed(Exception):
    pass


@by_format
@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    name: str, calls: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    render_set(data, whole, config(name))
    encoded: list[str] = []
    encode = shards._encode

    def dying(group: Any, **settings: Any) -> Any:
        if len(encoded) == calls:
            raise Killed
        encoded.append(group.shard)
        return encode(group, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_encode", dying)
        with pytest.raises(Killed):
            render_set(data, out, config(name))
    assert not (out / "summary.json").exists()
    with pytest.raises(UsageError, match="holds no rendered set"):
        next(load(out))
    # What a kill in the middle of a shard leaves: files without a record.
    (out / f"train-00000{FORMATS[name].suffix}").touch()
    told: list[int] = []
    render_set(data, out, config(name), lambda what, done, total: told.append(done))
    assert (told[0] > 0) == (calls > 2)
    assert all_bytes(out) == all_bytes(whole)


def test_a_finished_set_is_left_as_it_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = render_set(data, tmp_path, config())
    monkeypatch.setattr(shards, "_encode", None)
    assert render_set(data, tmp_path, config()) == first
    assert not (tmp_path / ".rendering").exists()


HARM: dict[str, Callable[[Path, Path], object]] = {
    "missing": lambda path, other: path.unlink(),
    "emptied": lambda path, other: path.write_bytes(b""),
    "cut": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeroed": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "exchanged": lambda path, other: path.write_bytes(other.read_bytes()),
}
by_harm = pytest.mark.parametrize("harm", HARM)


def of_shards(out: Path, name: str, number: int) -> list[Path]:
    """The files of a shard."""
    return FORMATS[name].files(out, f"train-{number:05}")


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished set of each format, which nobody changes."""
    folders = {name: tmp_path_factory.mktemp(name) for name in FORMATS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD", 4)
        for name, folder in folders.items():
            render_set(data, folder, config(name))
    return folders


def kept_in(data: Path, out: Path, name: str) -> int:
    """Render; returns how many samples did not have to be."""
    done: list[int] = []
    render_set(data, out, config(name), lambda what, count, total: done.append(count))
    return done[0]


@by_format
@by_harm
def test_a_file_of_a_finished_set_that_was_harmed_is_named_and_rendered_again(
    name: str, harm: str, data: Path, finished: dict[str, Path], tmp_path: Path
) -> None:
    whole = all_bytes(finished[name])
    count = len(of_shards(finished[name], name, 0))
    for place in range(count) if name != "mp4" else (0, count - 1):
        out = tmp_path / str(place)
        shutil.copytree(finished[name], out)
        path = of_shards(out, name, 0)[place]
        HARM[harm](path, of_shards(out, name, 1)[0 if place == 0 else -1])
        with pytest.raises(UsageError, match=rf"{path.name} (is missing|has ).*render. again that"):
            list(load(out))
        assert kept_in(data, out, name) == 8  # all but those of this shard
        assert all_bytes(out) == whole


@by_format
def test_readers_look_for_all_files_before_the_first_is_read(
    name: str, finished: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(finished[name], tmp_path / "out")
    of_shards(tmp_path / "out", name, 1)[-1].unlink()
    with pytest.raises(UsageError, match=r"train-00001.* is missing"):
        next(load(tmp_path / "out"))


@by_format
@by_harm
@pytest.mark.parametrize("record", [False, True])
def test_work_that_was_harmed_after_a_kill_ends_with_the_same_bytes(
    name: str, harm: str, record: bool, data: Path, finished: dict[str, Path], tmp_path: Path
) -> None:
    out = killed_late(data, tmp_path / "out", name)
    paths = [out / ".rendering" / f"train-{i:05}" for i in range(2)]
    if not record:
        paths = [of_shards(out, name, i)[0] for i in range(2)]
    HARM[harm](*paths)
    render_set(data, out, config(name))
    assert all_bytes(out) == all_bytes(finished[name])


def killed_late(data: Path, out: Path, name: str) -> Path:
    """A folder in which two shards are finished."""

    def stop(what: str, done: int, total: int) -> None:
        if done > 8:
            raise Killed

    with pytest.raises(Killed):
        render_set(data, out, config(name), stop)
    assert len(list((out / ".rendering").glob("train-*"))) == 2
    return out


def unlist(record: Path) -> None:
    """As a version wrote it that did not list the files of a shard."""
    old = json.loads(record.read_text().splitlines()[-1])
    del old["files"]
    record.write_text(json.dumps(old))


@by_format
def test_shards_of_before_there_were_lists_are_taken_where_they_have_as_many_bytes(
    name: str,
    data: Path,
    finished: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = killed_late(data, tmp_path / "out", name)
    for record in (out / ".rendering").glob("train-*"):
        unlist(record)
    of_shards(out, name, 0)[0].write_bytes(b"")
    assert kept_in(data, out, name) == 4
    assert all_bytes(out) == all_bytes(finished[name])
    harmed, old = sorted(record.message for record in caplog.records)
    assert "2 shards" in harmed + old and "is not what was written" in harmed + old


@by_format
def test_a_finished_set_of_before_there_were_lists_is_taken_with_one_warning(
    name: str,
    data: Path,
    finished: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished[name], out)
    summary = json.loads((out / "summary.json").read_text())
    del summary["manifest"]
    (out / "summary.json").write_text(json.dumps(summary))
    (out / "manifest.json").unlink()
    assert len(list(load(out))) == 12 == render_set(data, out, config(name))["samples"]
    (record,) = caplog.records
    assert "did not list its files" in record.message
    suffix = FORMATS[name].suffix
    (out / f"train-00001{suffix}").unlink()
    with pytest.raises(UsageError, match="holds 8 of the 12 samples"):
        list(load(out))
    (out / f"train-00000{suffix}").write_bytes(b"}")
    with pytest.raises(UsageError, match="shard train-00000 cannot be read"):
        list(load(out))


@by_harm
@pytest.mark.parametrize("file", ["manifest.json", "summary.json", "skips.jsonl"])
def test_what_a_finished_set_says_of_itself_is_looked_at(
    file: str, harm: str, data: Path, finished: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished["tar"], out)
    HARM[harm](out / file, finished["parquet"] / file)
    if file == "manifest.json":
        with pytest.raises(UsageError, match=r"manifest\.json"):
            list(load(out))
    if (file, harm) == ("summary.json", "exchanged"):
        with pytest.raises(UsageError, match=r"manifest\.json"):
            list(load(out))
        with pytest.raises(UsageError, match="--overwrite"):
            render_set(data, out, config("tar"))
        return
    render_set(data, out, config("tar"))
    assert all_bytes(out) == all_bytes(finished["tar"])


def test_a_shard_that_was_added_goes(data: Path, finished: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished["tar"], out)
    shutil.copy(out / "train-00000.tar", out / "train-00009.tar")
    assert len(list(load(out))) == 12
    render_set(data, out, config("tar"))
    assert all_bytes(out) == all_bytes(finished["tar"])


def test_other_settings_and_smaller_sets_replace_what_was_there(
    data: Path, videos: Path, tmp_path: Path
) -> None:
    out, fewer = tmp_path / "out", tmp_path / "fewer"
    write(fewer, load_samples(data)[:3], {"videos": str(videos)})
    for name, source, quality in [
        *[("mp4", data, None), ("tar", data, None), ("parquet", data, 60), ("parquet", data, 90)],
        *[("parquet", fewer, 90), ("tar", fewer, 90)],
    ]:
        render_set(source, out, config(name, quality=quality), overwrite=True)
        clean = tmp_path / f"{name}-{source.name}-{quality}"
        render_set(source, clean, config(name, quality=quality))
        assert all_bytes(out) == all_bytes(clean)
        assert {p.name for p in out.iterdir()} == {p.name for p in clean.iterdir()}
    assert not (out / "frames").exists()


def test_a_video_that_is_gone_is_a_skip_of_its_samples_only(
    videos: Path, data: Path, tmp_path: Path
) -> None:
    here = tmp_path / "videos"
    shutil.copytree(videos, here)
    out = tmp_path / "out"
    made = make_set(here, tmp_path / "set")
    (here / "clip-0002.mp4").unlink()
    summary = render_set(made, out, config(workers=2))
    assert summary["samples"] == 9 and summary["skips"] == 3
    assert {skip["path"] for skip in skips(out)} == {"clip-0002.mp4"}
    assert all("clip-0002.mp4: cannot be opened" in skip["reason"] for skip in skips(out))
    gone = {skip["id"] for skip in skips(out)}
    kept = [sample for sample in load_samples(made) if sample.id not in gone]
    assert [one.sample for one in load(out)] == kept
    # Back again: what was skipped is tried again.
    shutil.copy2(videos / "clip-0002.mp4", here)
    assert render_set(made, out, config())["skips"] == 0


def test_a_sample_that_cannot_be_rendered_costs_the_others_of_its_video_nothing(
    videos: Path, data: Path, tmp_path: Path
) -> None:
    samples = load_samples(data)
    item = samples[1].media[0]
    late = item.frames[0]._replace(source_seconds=99.0)
    samples[1] = replace(
        samples[1], media=(replace(item, frames=(late, *item.frames[1:])), *samples[1].media[1:])
    )
    text = {"edit": "text", "text": "long " * 99, "font_size": 32, "margin": 0}
    samples[2] = replace(
        samples[2], media=(samples[2].media[0].edited(text), *samples[2].media[1:])
    )
    write(tmp_path / "set", samples, {"videos": str(videos)})
    render_set(tmp_path / "set", tmp_path / "out", config("tar"))
    assert [one.sample for one in load(tmp_path / "out")] == [samples[0], *samples[3:]]
    reasons = [skip["reason"] for skip in skips(tmp_path / "out")]
    for reason, word in zip(reasons, ["no frame at 99.000 s", "do not fit"], strict=True):
        assert word in reason


def test_frames_that_an_mp4_cannot_hold_are_skips(videos: Path, data: Path, tmp_path: Path) -> None:
    samples = load_samples(data)[:2]
    item = replace(samples[0].media[0], height=33, edits=())
    media = (samples[0].media[0], item)
    samples[0] = replace(samples[0], media=media, prompt=f"<video>{samples[0].prompt}")
    write(tmp_path / "set", samples, {"videos": str(videos)})
    summary = render_set(tmp_path / "set", tmp_path / "out", config("mp4"))
    assert summary["samples"] == 1 and "64 x 33" in skips(tmp_path / "out")[0]["reason"]


def test_a_video_whose_process_fails_is_a_skip_of_all_its_samples(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Here):  # type: ignore[misc]
        def map(self, function, items):  # type: ignore[no-untyped-def]
            for group in items:
                first = group.samples[0].task
                yield Failed("died") if first == "anomaly" else function(group)

    monkeypatch.setattr(shards, "runner", lambda *_: Failing())
    summary = render_set(data, tmp_path, config())
    lost = len(skips(tmp_path))
    assert 0 < lost == summary["skips"] < 12 and summary["samples"] == 12 - lost
    assert {skip["reason"] for skip in skips(tmp_path)} == {"died"}
    assert len(list(load(tmp_path))) == 12 - lost


def test_nothing_rendered_is_a_finished_set_too(data: Path, tmp_path: Path) -> None:
    gone = tmp_path / "set"
    write(gone, load_samples(data), {"videos": str(tmp_path / "nowhere")})
    for name in FORMATS:
        summary = render_set(gone, tmp_path / name, config(name))
        assert summary["samples"] == summary["bytes"] == 0 and summary["skips"] == 12
        assert list(load(tmp_path / name)) == []


@pytest.fixture
def foreign(tmp_path: Path, data: Path) -> list[Path]:
    """Folders that hold something else."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "summary.json").write_text('{"steps": 3}')
    other = tmp_path / "other"
    other.mkdir()
    (other / "summary.json").write_text("three steps")
    return [data, run, other]


def test_a_folder_that_holds_something_else_is_not_touched(data: Path, foreign: list[Path]) -> None:
    for folder in foreign:
        before = all_bytes(folder)
        with pytest.raises(UsageError, match="other than a rendered set; give another folder"):
            render_set(data, folder, config())
        assert all_bytes(folder) == before


def test_no_set_no_rendering(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no finished set"):
        render_set(tmp_path / "nowhere", tmp_path / "out", config())
    assert list(tmp_path.iterdir()) == []


def test_the_times_of_pixels_are_those_of_the_recipe_and_not_of_the_source(
    data: Path, tmp_path: Path
) -> None:
    # Jigsaw clips come from all over the video, and each starts at 0.
    render_set(data, tmp_path, config("mp4"))
    jigsaws = [one for one in load(tmp_path) if one.sample.task == "jigsaw"]
    assert {seconds[0] for one in jigsaws for seconds in one.seconds} == {0.0}


@pytest.mark.parametrize("name", FORMATS)
def test_datasets_reads_samples_and_not_frames(data: Path, tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    render_set(data, out, config(name))
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    samples = [row.sample for row in load(out)]
    rows = [row for split in loaded.values() for row in split]
    assert {(row["id"], row["prompt"]) for row in rows} == {(s.id, s.prompt) for s in samples}
    assert len(rows) == len(samples)
