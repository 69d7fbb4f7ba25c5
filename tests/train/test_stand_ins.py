"""Training goes on beside a video that cannot be shown."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.left_out import LeftOut, left_out
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny
from kuleshov.train.config import DPOSettings, GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.grpo import row
from kuleshov.train.pipeline import train
from kuleshov.train.stand_ins import StandIns, UnshownError
from tests.train.conftest import TASKS

CONFIG = TrainConfig(
    checkpoint_steps=1,
    sft=SFTSettings(steps=3, batch_size=4),
    dpo=DPOSettings(steps=3, batch_size=4),
    grpo=GRPOSettings(steps=3, prompts_per_step=4, group_size=2, max_completion_tokens=4),
    left_out_share=0.2,
)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny `model`, and `data` with 12 samples of 6 videos, of which one is empty by now."""
    folder = tmp_path_factory.mktemp("broken")
    write_clips(folder / "clips", 6, seed=7, workers=0)
    make(folder / "clips", folder / "data", MakeConfig(workers=0, tasks=TASKS, held_out=0.0))
    samples = load_samples(folder / "data")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    tiny.build(folder / "model", [sample.prompt for sample in samples], "qwen2_5_vl")
    (folder / "clips" / samples[0].provenance["videos"][0]["path"]).write_bytes(b"")
    return folder


def lost_in(folder: Path) -> set[str]:
    samples = load_samples(folder / "data")
    return {s.id for s in samples if s.video_ids == samples[0].video_ids}


def test_all_phases_go_on_without_what_cannot_be_shown(broken: Path, tmp_path: Path) -> None:
    trained = train(broken / "data", str(broken / "model"), tmp_path, CONFIG)
    told = left_out(tmp_path)
    assert {one["sample"] for one in told} == lost_in(broken) and len(told) == 2
    assert all("has changed since the samples were made" in one["reason"] for one in told)
    lines = [json.loads(line) for line in (tmp_path / "completions.jsonl").read_text().splitlines()]
    groups = Counter((line["step"], line["sample"]) for line in lines)
    assert not {sample for _, sample in groups} & lost_in(broken)
    assert sum(groups.values()) == 3 * 4 * 2 and all(n % 2 == 0 for n in groups.values())
    assert "2 samples were left out, as their videos" in (trained / "README.md").read_text()


@pytest.mark.parametrize("phase", ["sft", "dpo", "grpo"])
def test_more_than_a_share_stops_it_and_a_larger_share_goes_on(
    broken: Path, tmp_path: Path, phase: str
) -> None:
    steps = {name: replace(getattr(CONFIG, name), steps=0) for name in ("sft", "dpo", "grpo")}
    alone = replace(CONFIG, **{**steps, phase: getattr(CONFIG, phase)}, left_out_share=0.05)
    with pytest.raises(
        UsageError, match=r"2 of 12 samples .* more than train\.left_out_share: 0\.05 allows"
    ):
        train(broken / "data", str(broken / "model"), tmp_path, alone)
    with pytest.raises(UsageError, match=r"2 of 12 samples"):  # and again
        train(broken / "data", str(broken / "model"), tmp_path, alone)
    train(broken / "data", str(broken / "model"), tmp_path, replace(alone, left_out_share=0.2))
    assert len(left_out(tmp_path)) == 2


def texts_of(rows: list[dict[str, Any]], unshown: set[str]) -> list[str]:
    samples = [Sample.from_json(entry["sample"]) for entry in rows]
    for sample in samples:
        if sample.id in unshown:
            raise UnshownError(sample, UnreadableVideoError("gone"))
    return [sample.id for sample in samples]


def test_a_stand_in_is_the_same_whatever_else_is_in_a_batch(broken: Path, tmp_path: Path) -> None:
    rows = [row(sample) for sample in load_samples(broken / "data")]
    ids = [json.loads(entry["sample"])["id"] for entry in rows]
    unshown = {ids[3], ids[4], ids[11]}

    def shown(name: str, places: list[int]) -> list[int]:
        stand_ins = StandIns(Dataset.from_list(rows), LeftOut(tmp_path / name, 12, 1.0, "share"))
        found = stand_ins(lambda some: texts_of(some, unshown), [rows[i] for i in places])
        return [ids.index(one) for one in found]

    assert shown("a", [3, 3, 4, 11, 7]) == [5, 5, 5, 0, 7]
    assert shown("b", [11, 3]) == [0, 5]
    assert {one["sample"] for one in left_out(tmp_path / "b")} == unshown


def test_where_nothing_can_be_shown_nothing_is_trained(broken: Path, tmp_path: Path) -> None:
    rows = [row(sample) for sample in load_samples(broken / "data")]
    ids = {json.loads(entry["sample"])["id"] for entry in rows}
    stand_ins = StandIns(Dataset.from_list(rows), LeftOut(tmp_path, 12, 1.0, "share"))
    with pytest.raises(UsageError, match="no sample that is trained on can be shown"):
        stand_ins(lambda some: texts_of(some, ids), rows[:2])


def test_a_share_is_a_share() -> None:
    with pytest.raises(UsageError, match=r"train\.left_out_share is -1; allowed: 0 to 1"):
        replace(CONFIG, left_out_share=-1)
