"""The recipes of papers run scaled down, and say what the papers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuleshov.audit import audit
from kuleshov.audit.leaks import MIN_VIDEOS
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.evaluate.bench import digest, freeze, verify
from kuleshov.recipe import load, packaged
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks.masked import Masked
from kuleshov.train.config import TrainConfig

FOLDER = packaged("demo.yaml").parent
PERCEIVER = sorted((FOLDER / "ablation").glob("videoperceiver_*.yaml"))
ABLATIONS = sorted({*(FOLDER / "ablation").glob("*.yaml")} - {*PERCEIVER})
PAPERS = [FOLDER / "videossr_30k.yaml", FOLDER / "viubench.yaml", *ABLATIONS]
of_papers = pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)


def config(path: Path) -> MakeConfig:
    return load(path, "make", MakeConfig, {})


SMALL = {"min_pixels": 64 * 64, "max_pixels": 64 * 64}


@of_papers
def test_a_scaled_down_recipe_gives_what_it_counts(
    path: Path, short_clips: Path, tmp_path: Path
) -> None:
    whole = config(path)
    share = 1.5 / max(whole.counts.values())  # two of the most wanted entries, one of the others
    small = load(path, "make", MakeConfig, {"share": share, "workers": 0})
    summary = make(short_clips, tmp_path, small)
    assert summary["mixture"].keys() == whole.tasks.keys() == whole.counts.keys()
    samples = load_samples(tmp_path)
    for label, row in summary["mixture"].items():
        assert row["wanted"] in (1, 2)
        assert row["kept"] == sum(sample.entry == label for sample in samples)
        assert row["kept"] + row["missing"] == row["wanted"]
    assert samples and summary["skips"] == 0
    if not whole.disjoint:
        assert sum(row["missing"] for row in summary["mixture"].values()) == 0
    assert audit(tmp_path, num_samples=1).errors == []
    if whole.disjoint:
        served = {(sample.video_ids[0], sample.entry) for sample in samples}
        assert len(served) == len({video for video, _ in served})


@of_papers
def test_recipes_of_papers_have_the_published_form(
    path: Path, short_clips: Path, tmp_path: Path
) -> None:
    make(short_clips, tmp_path, load(path, "make", MakeConfig, {"share": 1e-3}))
    limit = 512 * 512 if path.name == "viubench.yaml" else 256 * 256
    for sample in load_samples(tmp_path):
        assert (sample.form, sample.provenance["setting"]) == ("direct", "paper")
        assert sum(len(item.frames) for item in sample.media) == 48
        assert sample.knobs["max_pixels"] == limit and sample.knobs["min_pixels"] == 128 * 128


def test_videossr_30k_has_the_published_counts() -> None:
    recipe = config(FOLDER / "videossr_30k.yaml")
    perturbations = ["channel_swap", "mirror", "zoom_out", "rotate180"]
    assert recipe.counts == {
        **dict.fromkeys(perturbations, 3000),
        "jigsaw": 12000,
        "counting": 6000,
    }
    kinds = [recipe.built()[name].knobs()["kinds"] for name in perturbations]
    assert kinds == [[name] for name in perturbations]
    assert recipe.disjoint and recipe.held_out == 0.0


@pytest.mark.parametrize("path", [FOLDER / "videossr_30k.yaml", *ABLATIONS], ids=lambda p: p.stem)
def test_training_is_the_published_one(path: Path) -> None:
    grpo = load(path, "train", TrainConfig, {}).grpo
    assert (grpo.prompts_per_step, grpo.group_size) == (64, 8)
    assert (grpo.learning_rate, grpo.beta, grpo.temperature) == (1e-6, 1e-3, 1.0)
    assert grpo.max_completion_tokens == 2048
    assert grpo.steps == sum(config(path).counts.values()) // 64


OPTIONS = "train.grpo.objective_options"


@pytest.mark.parametrize(
    ("letter", "changed"),
    [
        (
            "a",
            {
                "train.sft.contrast.degraded": "random_frames",
                f"{OPTIONS}.degraded": "random_frames",
            },
        ),
        ("b", {"train.sft.contrast.weight": 0.0}),
        ("c", {f"{OPTIONS}.weight": 0.0, f"{OPTIONS}.gate": False, f"{OPTIONS}.retries": 0}),
        ("d", {"make.labelled.path": "public.jsonl"}),
    ],
)
def test_an_ablation_of_videoperceiver_changes_one_thing(
    letter: str, changed: dict[str, Any]
) -> None:
    def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            nested = isinstance(value, dict) and value
            found |= flat(value, f"{before}{key}.") if nested else {f"{before}{key}": value}
        return found

    (path,) = (path for path in PERCEIVER if path.stem.startswith(f"videoperceiver_{letter}_"))
    whole, other = (
        flat(yaml.safe_load(file.read_text())) for file in (FOLDER / "videoperceiver_7b.yaml", path)
    )
    assert whole.keys() == other.keys()
    assert {key: other[key] for key in whole if other[key] != whole[key]} == changed
    # The training of each is one that can be begun.
    train = load(path, "train", TrainConfig, {})
    assert train.grpo.built_objective().tries() == (0 if letter == "c" else 2)
    assert config(path).labelled["path"] == other["make.labelled.path"]


def test_viubench_has_nine_held_out_subtypes_of_300() -> None:
    recipe = config(FOLDER / "viubench.yaml")
    assert list(recipe.counts.values()) == [300] * 9 and recipe.held_out == 1.0
    tasks = {label: task.knobs() for label, task in recipe.built().items()}
    assert [tasks[f"jigsaw_{level}"]["num_clips"] for level in ("easy", "hard")] == [6, 8]
    levels = [tasks[f"counting_{level}"] for level in ("easy", "hard")]
    assert [(t["max_frames"], t["max_instances"]) for t in levels] == [(3, 3), (4, 4)]


def test_the_default_viubench_differs_from_the_published_one_by_the_setting_only() -> None:
    paper, default = config(FOLDER / "viubench.yaml"), config(FOLDER / "viubench_default.yaml")
    assert default.counts == paper.counts and default.disjoint and default.held_out == 1.0
    assert (paper.setting, default.setting) == ("paper", "default")
    asked = ("kinds", "num_clips", "max_frames", "max_instances", "num_frames", "max_pixels")
    for label, task in paper.built().items():
        mine, theirs = default.built()[label].knobs(), task.knobs()
        assert {k: mine.get(k) for k in asked} == {k: theirs.get(k) for k in asked}


def test_the_masked_benchmark_has_every_level() -> None:
    recipe = config(FOLDER / "masked_bench.yaml")
    assert list(recipe.counts.values()) == [300] * 3 and recipe.held_out == 1.0
    levels = {label: task.knobs() for label, task in recipe.built().items()}
    assert levels == {f"masked_{name}": Masked.level(name).knobs() for name in Masked.LEVELS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kept", "changed"),
    [
        ("viubench_default", ["counting_easy", "zoom_out", "jigsaw_hard"], {}),
        # The clips are short and slow: they are looked at more often and more closely.
        (
            "masked_bench",
            ["masked_easy", "masked_medium", "masked_hard"],
            {"fps": 3.0, "max_similarity": 0.998},
        ),
    ],
)
def test_the_audit_finds_nothing_in_default_benchmarks(
    name: str, kept: list[str], changed: dict[str, float], tmp_path: Path
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "set"
    write_clips(videos, MIN_VIDEOS + 2, seed=3, seconds=10.0, workers=0)
    whole = config(FOLDER / f"{name}.yaml")
    tasks = {label: {**whole.tasks[label], **SMALL, **changed} for label in kept}
    small = replace(
        whole, tasks=tasks, counts=dict.fromkeys(kept, 300), share=0.08, disjoint=False, workers=0
    )
    make(videos, out, small)
    findings = audit(out)
    assert findings.errors == []
    assert {floor.task for floor in findings.floors} == set(kept)
    # Few of these clips are long enough for masked_hard, too few for probes.
    assert {row.task for row in findings.worst()} >= set(kept) - {"masked_hard"}
    manifest = freeze(out, name, findings)
    assert verify(out) == {"name": name, "hash": digest(manifest)}


@pytest.mark.parametrize(
    "path", [path for path in ABLATIONS if path.stem.endswith("_strict")], ids=lambda p: p.stem
)
def test_smooth_and_strict_ask_the_same_questions(
    path: Path, short_clips: Path, tmp_path: Path
) -> None:
    def asked(recipe: Path) -> list[tuple[object, ...]]:
        out = tmp_path / recipe.stem
        make(short_clips, out, load(recipe, "make", MakeConfig, {"share": 1e-3}))
        return [(s.entry, s.prompt, s.media, s.answer) for s in load_samples(out)]

    assert asked(path) == asked(path.with_stem(path.stem.replace("strict", "smooth")))
