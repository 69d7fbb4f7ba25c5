"""VideoPerceiver's ablations on a tiny model, as the paper's tables have them.

    python -m benchmarks.perceiver_ablations [--output runs/perceiver-ablations]

Each row is the whole way of the paper, a contrastive cold start and comparative GRPO with gate and
refeed, with one setting changed (`ROWS`), trained on clips with an event that lasts a moment
(`benchmarks/transient.py`). Rows have as many steps each; tokens differ, see `perceiver_compare`
for arms at equal compute.

    A   random frames in the place of key frames, in both phases
    B   no contrastive losses
    C   plain GRPO; read literally too, where only the surface reward is left
    D   trained on the general questions alone, without those about the events, which stand for the
        paper's own data; on the same clips, for as many steps
    block_...   where the contrastive losses act, see `blocks_of`
    fps_...     frames per second, in training and in the test, see `seen_at`

    accuracy      of answers to the held-out questions about the event
    sensitivity   that accuracy less the accuracy without the key frames
    change        accuracy less that of the whole method of the same seed
    quiet         accuracy on the control questions, which do not need the event

Intervals as in `perceiver_compare`. Killed and started again it goes on: each finished row of a
seed leaves a file, and what was begun is begun again. A folder with other settings is refused.
`QUICK=1` in the environment takes a minute and says nothing about the rows.

Prints the table, and one JSON line last.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.perceiver import (
    SIDES,
    answered,
    carry_out,
    file_of,
    go_on,
    interval,
    records,
    scores,
    write_degraded,
)
from benchmarks.perceiver_compare import ARMS, COLD_START, GRPO
from benchmarks.transient import EVENT, write_set
from kuleshov import dataset
from kuleshov.dataset import load_samples
from kuleshov.files import replace_text
from kuleshov.sample import Frame, Sample
from kuleshov.train import tiny
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.contrast import Contrast
from kuleshov.train.pipeline import train
from kuleshov.train.preference import KEY_FRAMES, RANDOM_FRAMES

BLOCKS = 3
"""Of the tiny model's language model."""
PAPERS_BLOCKS = 32
"""As many as the paper's appendix counts."""


def blocks_of(*papers: int, blocks: int = BLOCKS) -> tuple[int, ...]:
    """The paper's blocks in a smaller model: those at the same share of the depth.

    Block b of 32 ends at b / 32 of the depth; it becomes the block that has this depth in it.

    >>> blocks_of(8), blocks_of(16), blocks_of(24), blocks_of(*range(15, 18))
    ((1,), (2,), (3,), (2,))
    >>> blocks_of(*range(1, 17)), blocks_of(*range(17, 33)), blocks_of(16, blocks=36)
    ((1, 2), (2, 3), (18,))
    """
    return tuple(sorted({math.ceil(b * blocks / PAPERS_BLOCKS) for b in papers}))


@dataclass(frozen=True, kw_only=True)
class Row:
    """The whole method, of which a row changes one field.

    Args:
        frames: what the degraded video lacks, in both phases.
        weight: of the contrastive losses, 0.1 in the paper.
        blocks: where they act.
        options: of the objective `comparative`.
        entries: of the questions that are trained on.
        rate: frames per second.
        paper: what the paper's row of this setting has on MotionBench (7B), by its name; several
            where the tiny model has one setting for all.
    """

    frames: str = KEY_FRAMES
    weight: float = 0.1
    blocks: tuple[int, ...] = blocks_of(16)
    options: dict[str, Any] = field(default_factory=lambda: ARMS["rc_gate_refeed"])
    entries: tuple[str, ...] = (*EVENT, "quiet")
    rate: float = 1.0
    paper: dict[str, float] = field(default_factory=dict)


ROWS: dict[str, Row] = {
    "full": Row(
        paper={"full, block 16, 1 fps": 0.69, "15-17": 0.67, "14-18": 0.68, "13-19": 0.68},
    ),
    "A_random_frames": Row(frames=RANDOM_FRAMES, paper={"A": 0.53}),
    "B_no_contrast": Row(weight=0.0, paper={"B": 0.55}),
    "C_plain_grpo": Row(options=ARMS["grpo_q"], paper={"C": 0.51}),
    "C_surface_only": Row(options=ARMS["base"], paper={"C": 0.51}),
    "D_general_only": Row(entries=("quiet",), paper={"D": 0.60}),
    "block_1": Row(blocks=blocks_of(8), paper={"8": 0.63}),
    "block_3": Row(blocks=blocks_of(24), paper={"24": 0.65}),
    "blocks_1_2": Row(blocks=blocks_of(*range(1, 17)), paper={"1-16": 0.66, "1-8, 16": 0.65}),
    "blocks_2_3": Row(blocks=blocks_of(*range(17, 33)), paper={"17-32": 0.65, "25-32, 16": 0.65}),
    "blocks_1_2_3": Row(blocks=blocks_of(*range(1, 33)), paper={"1-32": 0.67, "9-24, 16": 0.66}),
    "fps_0.25": Row(rate=0.25, paper={"0.25 fps": 0.55}),
    "fps_0.5": Row(rate=0.5, paper={"0.5 fps": 0.58}),
    "fps_2": Row(rate=2.0, paper={"2 fps": 0.72}),
    "fps_4": Row(rate=4.0, paper={"4 fps": 0.72}),
}


# Fewer steps than in `perceiver_compare`, as each row goes the whole way: some 40 minutes for all
# on two cores. With seed 100 the whole method then answers 0.4 to 0.6 of the event questions,
# and 0.76 after a cold start of 300 steps.
COLD = replace(COLD_START, steps=150)
RL = replace(GRPO, steps=24)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of all rows; fixed before their run.

    Args:
        seeds: of the weights of the tiny model, of its training and of the rollouts.
        clips: to train with, and held out; multiples of 48 for balanced answers.
        clips_seed: of the clips, which all seeds share.
        cold: the cold start, without what a row says of it.
        grpo: likewise.
        rows: in `ROWS`.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    clips: tuple[int, int] = (480, 96)
    clips_seed: int = 7
    cold: SFTSettings = COLD
    grpo: GRPOSettings = RL
    rows: dict[str, Row] = field(default_factory=lambda: ROWS)


QUICK = Settings(
    seeds=(0,),
    clips=(12, 12),
    cold=replace(COLD_START, steps=2, batch_size=4),
    grpo=replace(GRPO, steps=1, prompts_per_step=2, group_size=4),
)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    quick = os.environ.get("QUICK", "") not in ("", "0")
    name = "perceiver-ablations-quick" if quick else "perceiver-ablations"
    parser.add_argument("--output", type=Path, default=Path("runs") / name)
    out = parser.parse_args().output
    found = ablate(out, QUICK if quick else Settings(), workers=2)
    print(table(found["rows"]))
    print(json.dumps(found))


def ablate(out: Path, settings: Settings, workers: int) -> dict[str, Any]:
    """Everything that is not done yet; returns the figures.

    Args:
        out: the folder.
        settings: those that it was begun with.
        workers: processes, of a thread each; 0 for none but this one.

    Raises:
        UsageError: the folder was begun with other settings.
        SystemExit: a row failed.
    """
    go_on(out, settings)
    if not (out / "all" / "summary.json").is_file():
        write_set(out / "all", *settings.clips, settings.clips_seed)
    for row in settings.rows.values():
        write_row(out, row)
    jobs = [(name, seed) for seed in settings.seeds for name in settings.rows]
    carry_out(out, jobs, partial(work, out, settings), workers)
    return figures(out, settings)


def seen_at(sample: Sample, rate: float) -> Sample:
    """A question about a clip that is shown at one frame per second, at another rate.

    Below 1 fps the last frame of each 1 / rate seconds is left, so that an event is seen as often
    as its second is among them; above, each second has `rate` frames in the middle of equal parts.

    Args:
        sample: as `write_set` writes it.
        rate: 0.25, 0.5, 1, 2 or 4.
    """
    (item,), ((_, key),) = sample.media, sample.provenance[KEY_FRAMES]
    frames: list[Frame] = []
    keys: list[int] = []
    step = max(1, round(1 / rate))
    parts = max(1, round(rate))
    for second, frame in list(enumerate(item.frames))[step - 1 :: step]:
        for part in range(parts):
            shift = (part + 0.5) / parts - 0.5
            # Of its second, an event takes all but the first and the last fifth.
            if second == key and abs(shift) < 0.3:
                keys.append(len(frames))
            times = frame.source_seconds + shift, frame.shown_seconds + shift
            frames.append(Frame(frame.video_id, *(round(time, 6) for time in times)))
    first = frames[0].shown_seconds
    moved = tuple(f._replace(shown_seconds=round(f.shown_seconds - first, 6)) for f in frames)
    return replace(
        sample,
        media=(replace(item, frames=moved),),
        provenance={**sample.provenance, KEY_FRAMES: [[0, index] for index in keys]},
    )


def _set(out: Path, row: Row) -> Path:
    return out / f"{'-'.join(row.entries)}-{row.rate:g}"


def write_row(out: Path, row: Row) -> None:
    """The samples of a row, and the held-out ones without their key frames."""
    folder = _set(out, row)
    if (folder / "degraded" / "summary.json").is_file():
        return
    samples = [seen_at(sample, row.rate) for sample in load_samples(out / "all")]
    held_out = [sample for sample in samples if sample.split == "held_out"]
    trained = [s for s in samples if s.split == "train" and s.entry in row.entries]
    clips = out / "all" / "clips"
    dataset.write(folder / "full", [*trained, *held_out], {"videos": str(clips.resolve())})
    # An event that no frame shows cannot be taken away.
    write_degraded(folder / "degraded", held_out, clips)


def config_of(settings: Settings, row: Row, seed: int) -> TrainConfig:
    """The settings of a row of a seed."""
    contrast = Contrast(weight=row.weight, degraded=row.frames, blocks=row.blocks)
    options = {**row.options, "degraded": row.frames}
    return TrainConfig(
        seed=seed,
        checkpoint_steps=10**6,
        report_to=[],
        sft=replace(settings.cold, contrast=contrast),
        grpo=replace(settings.grpo, objective_options=options),
    )


def work(out: Path, settings: Settings, job: tuple[str, int]) -> str:
    """A row of a seed; leaves its file, which holds all of its scores."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)
    name, seed = job
    row = settings.rows[name]
    data = _set(out, row)
    started = time.process_time()
    with TemporaryDirectory(prefix="begun-", dir=out) as temporary:
        folder = Path(temporary)
        # The words of all rows are the same, also of one that is trained on fewer questions.
        prompts = [sample.prompt for sample in load_samples(out / "all", "train")]
        tiny.build(folder / "tiny", prompts, seed=seed)
        config = config_of(settings, row, seed)
        model = train(data / "full", str(folder / "tiny"), folder / "run", config)
        scores = answered(model, data, folder)
    seconds = time.process_time() - started
    record = {"seconds": round(seconds, 1), "scores": scores}
    replace_text(file_of(out, job), json.dumps(record, indent=1) + "\n")
    right = {side: round(sum(all_.values()) / len(all_), 3) for side, all_ in scores.items()}
    return f"{seconds:.0f} s, right {right}"


def figures(out: Path, settings: Settings) -> dict[str, Any]:
    """What is printed, from the files of all rows and seeds."""
    samples = load_samples(out / "all", "held_out")
    event = [sample for sample in samples if sample.entry in EVENT]
    quiet = [sample for sample in samples if sample.entry not in EVENT]

    def of(name: str) -> list[dict[str, Any]]:
        return records(out, name, settings.seeds)

    def told(name: str, row: Row) -> dict[str, Any]:
        full, less = (scores(of(name), side, event) for side in SIDES)
        found = interval("accuracy", full, event, 0.0)
        found |= interval("sensitivity", full - less, event)
        found |= interval("quiet", scores(of(name), "full", quiet), quiet, 0.0)
        if name != "full":
            found |= interval("change", full - scores(of("full"), "full", event), event)
        seen = [bool(seen_at(sample, row.rate).provenance[KEY_FRAMES]) for sample in event]
        return found | {
            "chance": round(sum(sample.chance for sample in event) / len(event), 4),
            "seen": round(sum(seen) / len(seen), 4),
            "blocks": list(row.blocks),
            "paper": row.paper,
        }

    return {
        "rows": {name: told(name, row) for name, row in settings.rows.items()},
        "seeds": len(settings.seeds),
        "videos": len({sample.video_ids[0] for sample in samples}),
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as the paper's tables have them, with its numbers on MotionBench (7B) beside ours.

    The two columns are not of the same thing; what can be compared is which way a row goes.
    """
    lines = [
        "| row | paper: MotionBench | accuracy | sensitivity | less or more than full | seen |",
        "|---|---|---|---|---|---|",
    ]

    def cell(row: dict[str, Any], name: str, form: str = ".2f") -> str:
        if name not in row:
            return ""
        ends = row[f"{name}_interval"]
        spread = "" if ends is None else f" [{ends[0]:{form}}, {ends[1]:{form}}]"
        return f"{row[name]:{form}}{spread}"

    for name, row in rows.items():
        paper = ", ".join(f"{label}: {value:.2f}" for label, value in row["paper"].items())
        cells = [cell(row, "accuracy"), cell(row, "sensitivity"), cell(row, "change", "+.2f")]
        lines.append(f"| {' | '.join([name, paper, *cells, format(row['seen'], '.2f')])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
