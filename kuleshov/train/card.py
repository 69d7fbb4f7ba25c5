"""The model card beside a trained model: what it was made of, with what, and what it can do.

The card is written again whenever its run is gone on with, so that evaluations which were made in
the meantime come in. What you have chosen as license stays; a card without its last line is yours
and is left alone.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import fsum
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from kuleshov.files import read_lines, replace_text
from kuleshov.generation import POSITIONS
from kuleshov.left_out import left_out
from kuleshov.run import environment, weights_hash
from kuleshov.train.idle import signs
from kuleshov.train.job import CALLED

_LAST = (
    "<!-- Written by `kuleshov train`, and again when that is run again; remove this line to keep "
    "what you change. -->"
)
_SHARE = 0.1
"""Of the steps, whose mean is given at the start and at the end of a training; ours."""


def write_card(run: Path, model: Path, phases: Sequence[str] = ("sft", "dpo", "grpo")) -> None:
    """Write the `README.md` of a trained model, unless it is somebody's own.

    Args:
        run: the run folder; evaluations are looked for in it and beside it.
        model: the folder of the trained model.
        phases: those that the model went through.
    """
    path = model / "README.md"
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="video-text-to-text",
        tags=["kuleshov", "self-supervised", "video"],
    )
    if path.is_file():
        before = path.read_text(encoding="utf-8")
        if not before.rstrip().endswith(_LAST):
            logging.getLogger(__name__).warning("%s is yours, and stays as it is", path)
            return
        card = ModelCard(before)
        for key in ("license", "license_name", "license_link"):
            if card.data.get(key) is not None:
                data[key] = card.data.get(key)
    record = environment(run)
    base = str(record["model"])
    if Path(base).exists():
        base = Path(base).name  # a folder of this machine is nobody else's base model
    else:
        data.base_model = base
    content = _text(run, model, base, record, phases)
    replace_text(path, f"---\n{data.to_yaml()}\n---\n\n{content}\n{_LAST}\n")


def _text(run: Path, model: Path, base: str, record: dict[str, Any], phases: Sequence[str]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    parts = [
        f"# {base}, trained on pretext tasks from raw video",
        "Made by `kuleshov train`: questions about videos whose answers are known from how they "
        "were made, without labels.",
        "| | |\n|---|---|\n"
        f"| base model | {base} |\n"
        f"| hash of its weights | {record['weights'] or 'not local'} |\n"
        f"| hash of the samples | {record['samples']} |" + _positions(record),
        "## Training",
        _training(run / "metrics.jsonl", phases) + _left_out(run),
        "## Evaluation",
        _evaluations(run, model),
        "## Recipe",
        f"```yaml\n{(run / 'config.yaml').read_text(encoding='utf-8')}```",
        "## Versions",
        versions,
        "## License",
        "Not chosen. It is yours to choose, within what the licenses of the base model and of the "
        "videos allow; name it as `license` in the header of this file.",
    ]
    return "\n\n".join(parts) + "\n"


def _positions(record: dict[str, Any]) -> str:
    """Where tokens behind a video stand, if that is not what transformers does by itself."""
    positions = record.get("settings", {}).get("positions", POSITIONS[0])
    if positions == POSITIONS[0]:
        return ""
    how = "evaluate it with `eval.positions` set to this; plain transformers has others"
    return f"\n| positions | {positions}: {how} |"


def _training(path: Path, phases: Sequence[str]) -> str:
    """What was logged at the start and at the end, as a table; rewards are in [0, 1]."""
    series: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for line in read_lines(path):
        for key, value in line.items():
            watched = key.startswith("task/") or key in ("loss", "reward", "parse_failures")
            if watched and line["phase"] in phases and value is not None:
                series[line["phase"], key][line["step"]] = value
    rows = []
    for (phase, key), points in series.items():
        if (phase == "grpo") == (key == "loss"):  # the loss of GRPO says nothing
            continue
        values = [points[step] for step in sorted(points)]
        part = max(1, round(_SHARE * len(values)))
        ends = _mean(values[:part]), _mean(values[-part:])
        rows.append(f"| {phase} | {key} | {max(points)} | {ends[0]:.3f} | {ends[1]:.3f} |")
    if not rows:
        return "Nothing was logged."
    header = f"| phase | figure | steps | first {_SHARE:.0%} | last {_SHARE:.0%} |"
    table = "\n".join([header, "|---|---|---|---|---|", *rows])
    return "\n\n".join([*_idle(path, phases), table])


def _left_out(run: Path) -> str:
    """How many samples could not be shown."""
    count = len({one["sample"] for one in left_out(run)})
    return f"\n\n{count} samples were left out, as their videos cannot be shown." if count else ""


def _idle(path: Path, phases: Sequence[str]) -> list[str]:
    """Of each phase that taught nothing, how that showed."""
    logs: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in read_lines(path):
        logs[line["phase"]][line["step"]] = line
    return [
        f"**Nothing was learned ({CALLED[phase]}):** in all of the {len(logs[phase])} logged steps "
        f"{', and '.join(sign.text for sign in found)}."
        for phase in phases
        if (found := signs(logs[phase].values()))
    ]


def _evaluations(run: Path, model: Path) -> str:
    """The mean rewards of evaluations of these very weights, as a table."""
    weights = weights_hash(str(model))
    rows = []
    for folder in sorted({*run.glob("*/results.jsonl"), *run.parent.glob("*/results.jsonl")}):
        if not (folder.parent / "environment.json").is_file():
            continue  # somebody else's results
        if environment(folder.parent).get("weights") != weights:
            continue
        answers = {(a["sample"], a["condition"], a["repeat"]): a for a in read_lines(folder)}
        groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for answer in answers.values():
            groups[answer["task"], answer["condition"]].append(answer)
        for (task, condition), some in sorted(groups.items()):
            failed = _mean(answer["answer"] is None for answer in some)
            mean = _mean(answer["score"] for answer in some)
            rows.append(f"| {task} | {condition} | {len(some)} | {mean:.3f} | {failed:.1%} |")
    if not rows:
        return "None yet: `kuleshov eval`, then `kuleshov train` again, which trains nothing."
    header = "| task | condition | items | mean reward | no answer |"
    return "\n".join([header, "|---|---|---|---|---|", *rows])


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return fsum(some) / len(some)
