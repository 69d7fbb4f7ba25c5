from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.features.embedder import unit
from kuleshov.salience import change, motion, novelty, relevance, seen
from kuleshov.sample import Frame, MediaItem, Sample, Video


def test_relevance_is_the_cosine_to_the_mean_of_the_keywords() -> None:
    # k = ((1, 0) + (0, 1)) / 2 = (0.5, 0.5), |k| = 1/sqrt(2). Frames: (1, 0): 0.5 sqrt(2);
    # (0.6, 0.8): 0.7 sqrt(2); (-1, 0): -0.5 sqrt(2).
    frames = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    words = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert relevance(frames, words) == pytest.approx([0.70710678, 0.98994949, -0.70710678])


def test_relevance_of_any_vectors_is_that_of_sklearn() -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    rng = np.random.default_rng(0)
    frames, words = unit(rng.normal(size=(7, 5))), unit(rng.normal(size=(3, 5)))
    theirs = cosine_similarity(frames, words.mean(axis=0, keepdims=True))[:, 0]
    assert relevance(frames, words) == pytest.approx(theirs)


def test_no_keywords_and_keywords_that_cancel_out_are_refused() -> None:
    frames = np.array([[1.0, 0.0]])
    with pytest.raises(UsageError, match="no keywords"):
        relevance(frames, np.empty((0, 2)))
    with pytest.raises(UsageError, match="cancel out"):
        relevance(frames, np.array([[1.0, 0.0], [-1.0, 0.0]]))


def test_change_is_one_less_the_cosine_to_the_frame_before() -> None:
    # (1, 0) . (0.6, 0.8) = 0.6; (0.6, 0.8) . (-0.8, 0.6) = 0.
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-0.8, 0.6]])
    assert change(vectors) == pytest.approx([0, 0.4, 1])


def test_novelty_is_one_less_the_cosine_to_the_mean() -> None:
    # Mean of (1, 0), (1, 0), (0, 1): (2, 1) / 3; cosines 2 / sqrt(5) and 1 / sqrt(5).
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert novelty(vectors) == pytest.approx([0.10557281, 0.10557281, 0.5527864])


def test_motion_is_the_mean_difference_in_grey() -> None:
    # Half of the picture turns white: 0.5; then its red half goes: 0.5 * 0.299 of the grey.
    frames = np.zeros((3, 2, 2, 3), np.uint8)
    frames[1, 0], frames[2, 0] = 255, (0, 255, 255)
    assert motion(frames) == pytest.approx([0, 0.5, 0.1495])


def test_one_frame_has_no_motion() -> None:
    assert motion(np.zeros((1, 2, 2, 3), np.uint8)).tolist() == [0]


def test_what_is_seen_has_its_edits_at_another_size(clips: Path) -> None:
    from kuleshov.read import read

    video = next(found for found in read(clips) if isinstance(found, Video))
    item = MediaItem(tuple(Frame(video.id, t, t) for t in (0.5, 1.0)), 64, 64)
    grey = item.edited({"edit": "grey", "start": 1, "stop": 2})
    about = {"videos": [{"id": video.id, "path": video.path}]}
    sample = Sample("s", "t", (video.id,), "train", (grey,), "", 1, "direct", {}, 0, 0.0, about)
    (frames,) = seen(sample, clips, (16, 24))
    assert frames.shape == (2, 16, 24, 3) and (frames[1] == 128).all() and frames[0].std() > 0


def test_text_that_fits_its_own_size_only_is_seen(clips: Path) -> None:
    from kuleshov.read import read

    video = next(found for found in read(clips) if isinstance(found, Video))
    text = {"edit": "text", "text": "a red cup " * 4, "font_size": 20, "margin": 10}
    frames = tuple(Frame(video.id, t, t) for t in (0.5, 1.0))
    about = {"videos": [{"id": video.id, "path": video.path}]}
    media = (MediaItem(frames, 256, 256, (text,)),)
    sample = Sample("s", "t", (video.id,), "train", media, "", 1, "direct", {}, 0, 0.0, about)
    (small,) = seen(sample, clips, (16, 16))
    assert small.min() < 200 < small.max()
