from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.frames import write_video
from kuleshov.media import render
from kuleshov.pairing import Pairing
from kuleshov.pairs import evidence
from kuleshov.peaks import Peaks
from kuleshov.read import read
from kuleshov.recipe import build
from kuleshov.salience import relevance, seen
from kuleshov.sample import Sample, Video
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks.labelled import Labelled, text_of
from tests.features.test_aligned import save_aligned

FLASH = range(20, 23)
"""The frames of the flash, of 48."""


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Video]:
    """A quiet clip of 4 s at 12 fps in which the light flashes for three frames."""
    folder = tmp_path_factory.mktemp("flash")
    frames = np.full((48, 64, 64, 3), 60, np.uint8)
    frames[:, 20:30, 20:30] = (90, 60, 30)
    frames[list(FLASH)] = 240
    write_video(folder / "flash.mp4", frames, 12)
    (video,) = read(folder)
    assert isinstance(video, Video)
    return folder, video


def asked(video: Video, answer: str = "The light flashes.", **knobs: object) -> Sample:
    task = Labelled(num_frames=48, **knobs)  # type: ignore[arg-type]
    sample = task.ask(video, "What happens?", answer)
    assert isinstance(sample, Sample)
    return replace(sample, id="0" * 16)


def test_a_flash_is_novel_and_gone_from_the_degraded_video(flash: tuple[Path, Video]) -> None:
    folder, video = flash
    found = Pairing(keys="novelty", peaks=Peaks(smoothing=1))(asked(video), folder)
    assert found is not None
    assert found.pair.absent == tuple((0, t) for t in FLASH)
    (curve,) = found.curves
    assert len(curve) == 48 and set(curve.argsort()[-3:].tolist()) == set(FLASH)
    (before,), (after,) = (render(s, folder) for s in (found.pair.full, found.pair.degraded))
    assert before[FLASH[1]].mean() > 200 > 100 > after.max()


@pytest.mark.parametrize("keys", ["motion", "change"])
def test_where_a_flash_begins_and_ends_is_a_peak(flash: tuple[Path, Video], keys: str) -> None:
    folder, video = flash
    found = Pairing(keys=keys, peaks=Peaks(smoothing=1))(asked(video), folder)
    assert found is not None
    assert found.pair.absent == ((0, FLASH.start), (0, FLASH.stop))


def test_a_key_event_is_made_rare_in_both_videos(flash: tuple[Path, Video]) -> None:
    folder, video = flash
    task = Labelled(num_frames=12)  # 3 fps: the flash of a quarter of a second is in one of them
    sample = task.ask(video, "What happens?", "It flashes.")
    assert isinstance(sample, Sample)
    pairing = Pairing(keys="novelty", peaks=Peaks(smoothing=1, width=0), share=0.05)
    found = pairing(sample, folder)
    assert found is not None
    full, other = found.pair.full.media[0].frames, found.pair.degraded.media[0].frames
    assert len(full) == 20 and full == other and len(found.pair.absent) == 1
    (before,), (after,) = (render(s, folder) for s in (found.pair.full, found.pair.degraded))
    assert [before.mean(axis=(1, 2, 3)).argmax()] == [t for _, t in found.pair.absent]
    assert after.max() < 100 < before.max()


def test_frames_are_not_added_where_edits_count_them(made: dict[str, Sample], clips: Path) -> None:
    found = Pairing(share=0.05)(made["counting"], clips)
    assert found is not None and found.pair.full == made["counting"]


def test_key_frames_by_relevance_are_the_maxima_of_eq_1(
    flash: tuple[Path, Video], tmp_path: Path
) -> None:
    folder, video = flash
    name = str(save_aligned("clip", tmp_path / "model"))
    sample = asked(video)
    asked_of = []

    def keywords(text: str) -> list[str]:
        asked_of.append(text)
        return ["light", "flashes"]

    # The frames of the flash are alike, which the strict inequalities of eq. (2) know not to part.
    peaks = replace(Peaks.paper(), plateau="first")
    assert Pairing.paper().peaks == Peaks.paper()
    pairing = replace(Pairing.paper(), model=name, peaks=peaks)
    found = pairing(sample, folder, keywords)
    assert found is not None and asked_of == ["What happens?\nThe light flashes."]
    assert found.words == ("light", "flashes")
    from kuleshov.features.pretrained import ALIGNED, Pretrained

    model = Pretrained(name, ALIGNED)
    (pixels,) = seen(sample, folder, model.size)
    (curve,) = found.curves
    assert (curve == relevance(model(pixels), model.texts(["light", "flashes"]))).all()
    keys = [t for t in peaks(curve) if t > 0]  # the first one shows itself
    assert [t for _, t in found.pair.absent] == keys and keys


def test_a_text_without_keywords_gives_no_pair(flash: tuple[Path, Video]) -> None:
    folder, video = flash
    assert Pairing.paper()(asked(video), folder, lambda text: []) is None


def test_relevance_needs_a_text(made: dict[str, Sample], clips: Path) -> None:
    with pytest.raises(UsageError, match="need a caption or question, and counting has none"):
        Pairing.paper()(made["counting"], clips)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> dict[str, Sample]:
    folder = tmp_path_factory.mktemp("pairing") / "set"
    names: list[str] = ["counting", "jigsaw"]
    make(clips, folder, MakeConfig(workers=0, tasks={name: {} for name in names}))
    return {sample.task: sample for sample in load_samples(folder)}


def test_evidence_is_the_frames_that_the_answer_depends_on(
    made: dict[str, Sample], clips: Path
) -> None:
    found = Pairing()(made["counting"], clips)
    assert found is not None
    assert list(found.pair.absent) == evidence(made["counting"]) and found.curves == ()


def test_where_all_frames_of_a_clip_are_evidence_the_effect_is_switched_off(
    made: dict[str, Sample], clips: Path
) -> None:
    found = Pairing()(made["jigsaw"], clips)
    assert found is not None
    order = [frame.source_seconds for item in found.pair.degraded.media for frame in item.frames]
    assert order == sorted(order)
    assert Pairing(random=True)(made["jigsaw"], clips) is None


def test_at_random_as_many_frames_are_taken_and_always_the_same(
    made: dict[str, Sample], clips: Path
) -> None:
    sample = made["counting"]
    first, again = (Pairing(random=True)(sample, clips) for _ in range(2))
    other = Pairing(random=True, seed=1)(sample, clips)
    assert first is not None and other is not None and again is not None
    assert len(first.pair.absent) == len(evidence(sample)) == len(other.pair.absent)
    assert first.pair == again.pair and first.pair.absent != other.pair.absent
    assert all(t > 0 for _, t in first.pair.absent)


def test_the_text_of_a_row_is_its_question_and_its_answer_where_that_is_text() -> None:
    task = Labelled(options=("red", "green"))
    video = Video("0" * 32, "v.mp4", "root", 0.0, 10.0, 100, 64, 64, "h264")
    sample = task.ask(video, "Which colour?\nLook closely.", "B")
    assert isinstance(sample, Sample)
    assert text_of(sample) == "Which colour?\nLook closely."
    sample = Labelled().ask(video, "What happens?", "It falls.")
    assert isinstance(sample, Sample) and text_of(sample) == "What happens?\nIt falls."


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'motion'"):
        Pairing(keys="motions")
    with pytest.raises(UsageError, match="allowed: itself, following"):
        Pairing(first="last")  # type: ignore[arg-type]


def test_a_recipe_may_set_it() -> None:
    given = {"keys": "novelty", "peaks": {"smoothing": 5, "most": 2}}
    wanted = Pairing(keys="novelty", peaks=Peaks(smoothing=5, most=2))
    assert build(Pairing, given, "pairs") == wanted
    with pytest.raises(UsageError, match="smoothing is 2; allowed: odd numbers"):
        build(Pairing, {"peaks": {"smoothing": 2}}, "pairs")
