from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuleshov import frames
from kuleshov.features import embedder, features
from kuleshov.read import read
from kuleshov.sample import Video


def test_features_decode_once_for_the_same_times(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (video,) = [item for item in read(clips) if isinstance(item, Video)][:1]
    first = features(video, [0.5, 1.0, 1.5], "thumbnail")
    assert (first == embedder("thumbnail")(video.frames([0.5, 1.0, 1.5], (16, 16)))).all()
    monkeypatch.setattr(Video, "frames", None)
    assert (features(video, [0.5, 1.0, 1.5], "thumbnail") == first).all()
    with pytest.raises(TypeError):
        features(video, [0.5, 1.0, 1.6], "thumbnail")


def test_features_of_frames_that_were_decoded_otherwise_are_not_kept(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (video,) = [item for item in read(clips) if isinstance(item, Video)][:1]
    first = features(video, [0.25, 2.0], "thumbnail")
    monkeypatch.setattr(Video, "frames", lambda *_: np.zeros((2, 16, 16, 3), np.uint8))
    assert (features(video, [0.25, 2.0], "thumbnail") == first).all()
    monkeypatch.setattr(frames, "VERSION", frames.VERSION + 1)
    assert (features(video, [0.25, 2.0], "thumbnail") != first).any()


def test_an_embedder_is_made_once_a_process() -> None:
    assert embedder("thumbnail") is embedder("thumbnail")
    assert embedder("some/model") is embedder("some/model")
