"""A set of samples on disk.

    OUT/
      samples/train-00000.parquet      one schema for all tasks; `datasets` reads it as it is
      samples/held_out-00000.parquet
      skips.jsonl                      every video, or (video, task), that gave no sample, and why
      config.yaml                      what was asked for, as resolved
      summary.json                     counts
      README.md                        the dataset card

Files are written under another name and renamed when they are whole, `summary.json` last: where
it exists, the set is complete.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kuleshov.errors import UsageError
from kuleshov.sample import Sample, Skip, dump_json

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "held_out")
_ROWS_PER_FILE = 20_000


def schema() -> pa.Schema:
    """The Parquet schema of a sample."""
    import pyarrow as pa

    frame = pa.struct(
        [
            ("video_id", pa.string()),
            ("source_seconds", pa.float64()),
            ("shown_seconds", pa.float64()),
        ]
    )
    item = pa.struct(
        [
            ("frames", pa.list_(frame)),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("edits", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("task", pa.string()),
            ("video_ids", pa.list_(pa.string())),
            ("split", pa.string()),
            ("media", pa.list_(item)),
            ("prompt", pa.string()),
            ("answer", pa.string()),
            ("form", pa.string()),
            ("knobs", pa.string()),
            ("seed", pa.int64()),
            ("chance", pa.float64()),
            ("provenance", pa.string()),
        ]
    )


def write(
    out: Path, samples: Sequence[Sample], skips: Sequence[Skip], config: dict[str, Any]
) -> dict[str, Any]:
    """Write a whole set and return its summary.

    The same samples give the same bytes, with the same version of pyarrow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = out / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)
    for stale in folder.glob("*.parquet"):
        stale.unlink()
    for split in SPLITS:
        rows = [sample.to_row() for sample in samples if sample.split == split]
        for part, start in enumerate(range(0, len(rows), _ROWS_PER_FILE)):
            table = pa.Table.from_pylist(rows[start : start + _ROWS_PER_FILE], schema=schema())
            path = folder / f"{split}-{part:05}.parquet"
            pq.write_table(table, path.with_suffix(".tmp"), compression="zstd")
            os.replace(path.with_suffix(".tmp"), path)
    summary = summarize(samples, skips)
    replace_text(out / "skips.jsonl", "".join(f"{dump_json(asdict(skip))}\n" for skip in skips))
    replace_text(out / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    replace_text(out / "README.md", _card(summary))
    replace_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def load_samples(out: Path | str, split: str | None = None) -> list[Sample]:
    """The samples of a set, in the order in which they were written.

    Args:
        out: the folder that `kuleshov make` wrote.
        split: "train" or "held_out"; both if None.

    Raises:
        UsageError: there is no finished set in the folder.
    """
    import pyarrow.parquet as pq

    out = Path(out)
    if not (out / "summary.json").is_file():
        raise UsageError(
            f"{out} holds no finished set of samples; make one with `kuleshov make VIDEOS -o {out}`"
        )
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    return [
        Sample.from_row(row)
        for name in ([split] if split else SPLITS)
        for path in sorted((out / "samples").glob(f"{name}-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def load_skips(out: Path | str) -> list[Skip]:
    lines = (Path(out) / "skips.jsonl").read_text(encoding="utf-8").splitlines()
    return [Skip(**json.loads(line)) for line in lines]


def videos_root(out: Path | str) -> Path:
    """The folder of videos that a set was made from, as `config.yaml` names it."""
    config = yaml.safe_load((Path(out) / "config.yaml").read_text(encoding="utf-8"))
    return Path(config["videos"])


def summarize(samples: Sequence[Sample], skips: Sequence[Skip]) -> dict[str, Any]:
    """Counts by task and split, and of the reasons for skips."""
    return {
        "samples": len(samples),
        "videos": {
            split: len({s.video_ids[0] for s in samples if s.split == split}) for split in SPLITS
        },
        "tasks": {
            task: {
                split: sum(s.task == task and s.split == split for s in samples) for split in SPLITS
            }
            for task in sorted({sample.task for sample in samples})
        },
        "skips": len(skips),
        "skips_by_task": dict(sorted(Counter(skip.task or "(video)" for skip in skips).items())),
    }


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the whole new one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _card(summary: dict[str, Any]) -> str:
    present = [split for split in SPLITS if any(t[split] for t in summary["tasks"].values())]
    files = [{"split": split, "path": f"samples/{split}-*.parquet"} for split in present]
    header = yaml.safe_dump(
        {
            "configs": [{"config_name": "default", "data_files": files}],
            "task_categories": ["video-text-to-text"],
            "tags": ["kuleshov", "self-supervised", "video"],
        },
        sort_keys=False,
    )
    rows = "\n".join(
        f"| {task} | {count['train']} | {count['held_out']} |"
        for task, count in summary["tasks"].items()
    )
    return f"""---
{header}---

# Pretext-task samples

Questions about raw videos whose answers are known from how they were made, by `kuleshov make`.
A row is a recipe and holds no pixels: `kuleshov.render(sample, videos)` gives the frames.
`answer`, `knobs`, `provenance` and each media item's `edits` are JSON strings.

| task | train | held out |
|---|---|---|
{rows}

{summary["videos"]["train"]} videos for training, {summary["videos"]["held_out"]} held out,
{summary["skips"]} skips (`skips.jsonl` says why).

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder")
```
"""
