"""Pages that are made from the code: docs/config.md, and the table in docs/training.md.

    python -m kuleshov.report.reference docs      (make docs)

The keys of a recipe are the fields of dataclasses, and what their docstrings say of them is all
that is said of them anywhere.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from kuleshov.config import MakeConfig
from kuleshov.demo import DemoConfig
from kuleshov.evaluate.config import EvalConfig
from kuleshov.files import replace_text
from kuleshov.train.config import LoRASettings, TrainConfig
from kuleshov.train.memory import Load, estimate, shape_of
from kuleshov.train.plan import TEXT_TOKENS, trained
from kuleshov.train.sizes import PUBLISHED, config_of, skeleton

SECTIONS = {"make": MakeConfig, "train": TrainConfig, "eval": EvalConfig, "demo": DemoConfig}
_CONFIG = """# Every key of a recipe

Made by `make docs` from the docstrings of the code. A recipe is one YAML file with a section for
each stage; `kuleshov make|train|eval --config FILE` read their own. Unknown keys are refused with
the nearest name. `--set a.b=c` changes one key: the dotted key starts below the command's section,
the value is YAML, and it wins over the recipe and over other flags:

    kuleshov train samples --model MODEL -o run --config recipes/mvp.yaml --set grpo.beta=0.04

What a run was made with stands in its `config.yaml`, as resolved. The knobs of the tasks are on
the pages of the [tasks](tasks).
"""
_MARKS = "<!-- memory: made by `make docs` -->", "<!-- end of memory -->"
FRAMES, GROUPS = (16, 48, 96), (8, 16)
COMPLETION, PIXELS, PROMPTS = 256, 256 * 256, 8


def config_page() -> str:
    """docs/config.md."""
    parts = [_CONFIG]
    for name, kind in SECTIONS.items():
        for where, nested in _kinds(name, kind):
            parts.append(f"## {where}\n\n{_lead(nested)}\n\n{_table(nested)}")
    return "\n".join(parts)


def _kinds(where: str, kind: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """A section's dataclass and those in it, with their dotted names."""
    yield where, kind
    for key, hint in get_type_hints(kind).items():
        for inner in (hint, *get_args(hint)):
            if isinstance(inner, type) and is_dataclass(inner):
                yield from _kinds(f"{where}.{key}", inner)


def _lead(kind: type[Any]) -> str:
    whole = inspect.getdoc(kind) or ""
    return _plain(whole.split("\n\nArgs:")[0])


def described(kind: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring says of each field."""
    _, _, entries = (inspect.getdoc(kind) or "").partition("\nArgs:\n")
    entries = entries.split("\n\n")[0]
    found = re.split(r"^    (\w+): ", entries, flags=re.MULTILINE)[1:]
    return {name: _plain(text) for name, text in zip(found[::2], found[1::2], strict=True)}


def _table(kind: type[Any]) -> str:
    told = {name: text.replace("|", "\\|") for name, text in described(kind).items()}
    rows = ["| key | default | |", "|---|---|---|"]
    for field in fields(kind):
        rows.append(f"| `{field.name}` | {_default(field)} | {told[field.name]} |")
    return "\n".join(rows) + "\n"


def _default(field: Field[Any]) -> str:
    """What a key is where the recipe does not say it."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return "must be given"
    return "its own keys, below" if is_dataclass(value) else f"`{_value(value)}`"


def _value(value: Any) -> str:
    """A default as it would stand in a recipe; a mapping to empty ones as its keys."""
    if isinstance(value, dict):
        return f"{{{', '.join(value)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    return " ".join(text.split())


def memory_table() -> str:
    """Estimated memory of each GPU by model, frames and G."""
    rows = [
        "| model | frames | prompt tokens | G | LoRA, 1 GPU | all weights, 1 GPU | "
        "all weights, 8 GPUs that share |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in PUBLISHED:
        vision = config_of(name).vision_config
        whole = shape_of(skeleton(name))
        adapted = shape_of(trained(skeleton(name), LoRASettings(rank=16), freeze_vision=False))
        for frames in FRAMES:
            patches = frames // vision.temporal_patch_size * (PIXELS // vision.patch_size**2)
            tokens = patches // vision.spatial_merge_size**2 + TEXT_TOKENS
            for group in GROUPS:
                load = Load(tokens, patches, COMPLETION, PROMPTS * group, PROMPTS, group, 1)
                totals = [
                    estimate(adapted, load, False, 1, False).total,
                    estimate(whole, load, False, 1, False).total,
                    estimate(whole, load, False, 8, True).total,
                ]
                shown = " | ".join(f"{total / 1e9:.0f}" for total in totals)
                short = name.removeprefix("Qwen/").removesuffix("-Instruct")
                rows.append(f"| {short} | {frames} | {tokens:,} | {group} | {shown} |")
    return "\n".join(rows)


def training_page(page: str) -> str:
    """docs/training.md with its table made again; the rest of it stays."""
    before, rest = page.split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    return f"{before}{_MARKS[0]}\n{memory_table()}\n{_MARKS[1]}{after}"


def main(folder: Path) -> None:
    replace_text(folder / "config.md", config_page())
    training = folder / "training.md"
    replace_text(training, training_page(training.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
