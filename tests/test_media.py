from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuleshov import media
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.frames import decode
from kuleshov.media import Renderer, render, render_all
from kuleshov.read import read
from kuleshov.sample import Frame, MediaItem, Pixels, Sample, Video


def a_sample(folder: Path, edits: tuple[dict[str, object], ...] = ()) -> Sample:
    """A sample that shows two videos, mixed in one item and alone in another."""
    a, b = [item for item in read(folder) if isinstance(item, Video)][:2]
    mixed = tuple(Frame(v.id, s, s) for v, s in [(a, 1.0), (b, 0.5), (a, 0.5), (b, 2.0)])
    alone = tuple(Frame(a.id, s, s) for s in (1.0, 1.0))
    return Sample(
        id="0",
        task="test",
        video_ids=(a.id, b.id),
        split="train",
        media=(MediaItem(mixed, 56, 84, edits), MediaItem(alone, 28, 28)),
        prompt="<video><video>",
        answer=0,
        form="direct",
        knobs={},
        seed=0,
        chance=0.0,
        provenance={"videos": [{"id": v.id, "path": v.path} for v in (a, b)]},
    )


def test_frames_of_several_videos_and_sizes_come_in_the_order_of_the_recipe(
    short_clips: Path,
) -> None:
    sample = a_sample(short_clips)
    videos = {v.id: v for v in read(short_clips) if isinstance(v, Video)}
    for item, pixels in zip(sample.media, render(sample, short_clips), strict=True):
        assert pixels.shape == (len(item.frames), item.height, item.width, 3)
        for frame, shown in zip(item.frames, pixels, strict=True):
            size = (item.height, item.width)
            alone = videos[frame.video_id].frames([frame.source_seconds], size)[0]
            assert (alone == shown).all()


def test_rendering_twice_gives_the_same_pixels(short_clips: Path) -> None:
    sample = a_sample(short_clips, ({"edit": "invert", "start": 1},))
    for first, second in zip(render(sample, short_clips), render(sample, short_clips), strict=True):
        assert (first == second).all()


def test_a_recipe_cannot_reach_outside_of_its_root(short_clips: Path) -> None:
    sample = a_sample(short_clips)
    outside = {"videos": [{"id": v["id"], "path": "../x.mp4"} for v in sample.provenance["videos"]]}
    with pytest.raises(UsageError, match=r"'\.\./x\.mp4', which lies outside of"):
        render(replace(sample, provenance=outside), short_clips)


def test_a_video_that_is_gone_is_named(short_clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideoError, match=r"clip-0000\.mp4: cannot be opened"):
        render(a_sample(short_clips), tmp_path)


def swapped(folder: Path) -> None:
    one, other = sorted(folder.iterdir())[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def touched(folder: Path) -> None:
    first = sorted(folder.iterdir())[0]
    first.write_bytes(first.read_bytes() + b"more")


@pytest.mark.parametrize("change", [swapped, touched])
def test_a_video_that_has_changed_is_not_shown_although_its_times_are_there(
    change: Callable[[Path], None], short_clips: Path, tmp_path: Path
) -> None:
    shutil.copytree(short_clips, tmp_path / "videos")
    sample = a_sample(tmp_path / "videos")
    render(sample, tmp_path / "videos")
    change(tmp_path / "videos")
    with pytest.raises(UnreadableVideoError, match=r"clip-0000\.mp4: has changed since the sam"):
        render(sample, tmp_path / "videos")


def test_a_pipe_in_the_place_of_a_video_is_not_waited_for(
    short_clips: Path, tmp_path: Path
) -> None:
    shutil.copytree(short_clips, tmp_path / "videos")
    sample = a_sample(tmp_path / "videos")
    first = sorted((tmp_path / "videos").iterdir())[0]
    first.unlink()
    os.mkfifo(first)
    with pytest.raises(UnreadableVideoError, match=r"clip-0000\.mp4: .*is not a file"):
        render(sample, tmp_path / "videos")


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that are decoded from now on."""
    names: list[str] = []

    def counting(path: Path, seconds: list[float], size: tuple[int, int]) -> Pixels:
        names.append(path.name)
        return decode(path, seconds, size)

    monkeypatch.setattr(media, "decode", counting)
    return names


def test_renderer_remembers_what_it_decoded_under_any_edits(
    short_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[object] = [3, 3, 0, 1]
    edits: tuple[dict[str, object], ...] = (
        {"edit": "invert"},
        {"edit": "reorder", "order": order},
    )
    sample, edited = a_sample(short_clips), a_sample(short_clips, edits)
    expected = [render(one, short_clips) for one in (sample, edited, sample)]
    names = counted(monkeypatch)
    renderer = Renderer(short_clips)
    found = [renderer(one) for one in (sample, edited, sample)]
    assert len(names) == 3  # both videos, and one of them in another size
    for one, other in zip(found, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    # The same frames under other edits are another picture.
    assert not np.array_equal(found[0][0], found[1][0])


def test_renderer_forgets_by_size(short_clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = a_sample(short_clips)
    other = replace(one, media=one.media[1:])
    names, tight = counted(monkeypatch), Renderer(short_clips, max_bytes=1)
    for sample in (one, one, other, one):
        tight(sample)
    assert len(names) == 3 + 1 + 3


def test_samples_that_are_rendered_together_look_as_they_do_alone(short_clips: Path) -> None:
    one = a_sample(short_clips)
    # Another size, times in common and of its own, and an edit that must not reach the first one.
    frames = tuple(Frame(one.video_ids[0], s, s) for s in (2.0, 0.5, 3.0))
    items = (MediaItem(frames, 56, 84, ({"edit": "invert"},)), MediaItem(frames[:1], 32, 32))
    other = replace(one, id="1", media=items)
    together = render_all([one, other, one], short_clips)
    for sample, pixels in zip([one, other, one], together, strict=True):
        alone = render(sample, short_clips)
        assert all(np.array_equal(a, b) for a, b in zip(alone, pixels, strict=True))


def test_samples_that_are_rendered_together_decode_a_video_once_a_size(
    short_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[int, int], int]] = []

    def counting(path: Path, seconds: list[float], size: tuple[int, int]) -> Pixels:
        asked.append((path.name, size, len(seconds)))
        return decode(path, seconds, size)

    monkeypatch.setattr(media, "decode", counting)
    render_all([a_sample(short_clips)] * 3, short_clips)
    sizes = [("clip-0000.mp4", (28, 28), 1), ("clip-0000.mp4", (56, 84), 2)]
    assert sorted(asked) == [*sizes, ("clip-0001.mp4", (56, 84), 2)]
