"""The rows of VideoPerceiver's ablations; what they amount to is not looked at here."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import perceiver_ablations
from benchmarks.perceiver import SIDES
from benchmarks.perceiver_ablations import (
    BLOCKS,
    QUICK,
    ROWS,
    Row,
    Settings,
    ablate,
    blocks_of,
    config_of,
    seen_at,
    table,
    write_row,
)
from benchmarks.transient import FPS, NUM_FRAMES, write_set
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train import tiny
from kuleshov.train.preference import KEY_FRAMES, RANDOM_FRAMES, degraded


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("clips")
    write_set(folder, 12, 0, seed=3)
    return load_samples(folder, "train")


def test_the_blocks_are_at_the_same_depth() -> None:
    # 3 of 32: b * 3 / 32, rounded up: 8 -> 0.75, 9 -> 0.84, 10 -> 0.94, 11 -> 1.03, 16 -> 1.5,
    # 21 -> 1.97, 22 -> 2.06, 24 -> 2.25
    assert [blocks_of(b) for b in (1, 10, 11, 16, 21, 22, 24, 32)] == [
        (1,), (1,), (2,), (2,), (2,), (3,), (3,), (3,),
    ]  # fmt: skip
    for near in (range(15, 18), range(14, 19), range(13, 20)):
        assert blocks_of(*near) == ROWS["full"].blocks == (2,)
    assert blocks_of(*range(1, 9), 16) == ROWS["blocks_1_2"].blocks == (1, 2)
    assert blocks_of(*range(25, 33), 16) == ROWS["blocks_2_3"].blocks == (2, 3)
    assert blocks_of(*range(9, 25), 16) == ROWS["blocks_1_2_3"].blocks == (1, 2, 3)
    assert blocks_of(16, blocks=28) == (14,) and blocks_of(*range(1, 33), blocks=32)[-1] == 32


def test_the_tiny_model_has_these_blocks(tmp_path: Path) -> None:
    model, _ = tiny.build(tmp_path, ["What?"])
    assert model.config.get_text_config().num_hidden_layers == BLOCKS


def test_each_row_changes_one_thing() -> None:
    settings = [field.name for field in fields(Row) if field.name != "paper"]
    for name, row in ROWS.items():
        changed = [s for s in settings if getattr(row, s) != getattr(ROWS["full"], s)]
        assert len(changed) == (name != "full"), name
    papers = [label for row in ROWS.values() for label in row.paper]
    # A, B, C (in two readings) and D; 12 rows of blocks and 5 of rates, of which full has one each.
    assert len(papers) == 1 + 3 + 5 + 8 + 4 and len({*papers}) == len(papers) - 1


def test_the_settings_of_the_rows_reach_both_phases() -> None:
    def config(name: str) -> Any:
        return config_of(Settings(), ROWS[name], 5)

    full = config("full")
    assert full.seed == 5 and full.sft.contrast.weight == 0.1
    assert full.sft.contrast.degraded == full.grpo.objective_options["degraded"] == KEY_FRAMES
    assert full.grpo.objective_options["gate"] and full.grpo.objective_options["retries"] == 2
    changed = config("A_random_frames")
    assert changed.sft.contrast.degraded == RANDOM_FRAMES
    assert changed.grpo.objective_options["degraded"] == RANDOM_FRAMES
    assert config("B_no_contrast").sft.contrast.weight == 0
    for name in ("C_plain_grpo", "C_surface_only"):
        plain = config(name).grpo.built_objective()
        assert plain.weight == 0 and not plain.gate and plain.tries() == 0
    assert config("block_3").sft.contrast.blocks == (3,)


@pytest.mark.parametrize("rate", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_key_frames_are_those_that_show_the_event_at_any_rate(
    samples: list[Sample], rate: float
) -> None:
    seen = 0
    for sample in samples:
        (item,) = seen_at(sample, rate).media
        assert len(item.frames) == NUM_FRAMES * rate
        keys = {index for _, index in seen_at(sample, rate).provenance[KEY_FRAMES]}
        ((_, second),) = sample.provenance[KEY_FRAMES]
        shows = set()
        for index, frame in enumerate(item.frames):
            part = int(frame.source_seconds * FPS) - second * FPS
            shows |= {index} if 1 <= part <= FPS - 2 else set()
        assert keys == shows
        seen += bool(keys)
        times = [frame.shown_seconds for frame in item.frames]
        gaps = {round(b - a, 6) for a, b in pairwise(times)}
        assert times[0] == 0 and gaps == {1 / rate}
        assert (degraded(seen_at(sample, rate), KEY_FRAMES) is None) == (not keys)
    assert 0 < seen <= len(samples) and (seen == len(samples)) == (rate >= 1)


def test_at_its_own_rate_a_sample_is_as_it_was(samples: list[Sample]) -> None:
    for sample in samples:
        same = seen_at(sample, 1.0)
        assert same.media == sample.media and same.provenance == sample.provenance


SMALL = replace(QUICK, rows={name: ROWS[name] for name in ("full", "fps_0.5")})


def test_only_general_questions_are_trained_on_and_all_are_tested(tmp_path: Path) -> None:
    write_set(tmp_path / "all", 12, 12, seed=3)
    write_row(tmp_path, ROWS["D_general_only"])
    general = load_samples(tmp_path / "quiet-1" / "full", "train")
    assert {sample.entry for sample in general} == {"quiet"} and len(general) == 12
    for side in SIDES:
        tested = load_samples(tmp_path / "quiet-1" / side, "held_out")
        assert len(tested) == 36 and {s.entry for s in tested} == {"what", "detail", "quiet"}


def test_rows_that_are_done_are_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ablate(tmp_path, SMALL, workers=0)
    assert found.keys() == {"rows", "seeds", "videos"} and found["seeds"] == 1
    assert found["rows"].keys() == SMALL.rows.keys() and found["videos"] == 12
    for name, row in found["rows"].items():
        assert 0 <= row["accuracy"] <= 1 and -1 <= row["sensitivity"] <= 1
        assert ("change" in row) == (name != "full")
        assert (row["seen"] == 1) == (name != "fps_0.5")
    lines = table(found["rows"]).splitlines()
    assert len(lines) == 4 and all(line.count("|") == 7 for line in lines)
    done: list[Any] = []
    work = perceiver_ablations.work

    def counting(out: Path, settings: Settings, job: tuple[str, int]) -> str:
        done.append(job)
        return work(out, settings, job)

    monkeypatch.setattr(perceiver_ablations, "work", counting)
    (tmp_path / "fps_0.5-0.json").unlink()
    (tmp_path / "begun-x").mkdir()  # what a kill leaves
    assert ablate(tmp_path, SMALL, workers=0) == found
    assert done == [("fps_0.5", 0)] and not list(tmp_path.glob("begun-*"))
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(UsageError, match="seeds"):
        ablate(tmp_path, replace(SMALL, seeds=(1,)), workers=0)
