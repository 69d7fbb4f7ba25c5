"""Each recipe with a `train` section trains the tiny model for a few steps, made small by --set."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.utils import DistributedType

from kuleshov.dataset import load_samples
from kuleshov.recipe import load, packaged
from kuleshov.run import environment
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny
from kuleshov.train.config import TrainConfig
from kuleshov.train.pipeline import train

FOLDER = packaged("demo.yaml").parent
SMALL = {"min_pixels": 56 * 56, "max_pixels": 56 * 56, "size_multiple": 28}
KNOBS: dict[str, dict[str, Any]] = {
    "masked": {"embedder": "thumbnail", "fps": 4.0, "max_similarity": 0.999},
}
STEP = {"steps": 2, "prompts_per_step": 2, "micro_batch": "null", "max_completion_tokens": 4}


def recipes() -> list[Path]:
    """Those with a `train` section, one of several with the same; not those with a test of their
    own: the demo (test_demo.py), the objectives (test_objectives_train.py) and VideoPerceiver
    (test_videoperceiver.py).
    """
    found: dict[str, Path] = {}
    for path in sorted(FOLDER.rglob("*.yaml"), key=lambda path: len(path.parts)):
        own = path.name == "demo.yaml" or path.parent.name in ("objectives", "accelerate")
        own = own or path.stem.startswith("videoperceiver")
        section = (yaml.safe_load(path.read_text()) or {}).get("train")
        if section and not own:
            found.setdefault(json.dumps(section, sort_keys=True), path)
    return list(found.values())


def small_set(path: Path, clips: Path, out: Path) -> None:
    """The recipe's own entries, of few small frames."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    tasks = load(path, "make", MakeConfig, {}).tasks
    sets = [
        f"tasks.{label}.{knob}={value}"
        for label, knobs in tasks.items()
        for knob, value in {**SMALL, **KNOBS.get(knobs.get("task", label), {})}.items()
    ]
    changes = {"disjoint": False, "counts": {}, "near_duplicates": None, "workers": 0}
    sets += [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    make(clips, out / "data", load(path, "make", MakeConfig, {}, sets=[*sets, "held_out=0"]))


def test_the_recipes_of_papers_are_among_them() -> None:
    assert {"videossr_30k", "mvp"} <= {path.stem for path in recipes()}


@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.stem)
def test_a_recipe_trains_for_two_steps(path: Path, clips: Path, tmp_path: Path) -> None:
    small_set(path, clips, tmp_path)
    samples = load_samples(tmp_path / "data", "train")
    wanted = set(load(path, "make", MakeConfig, {}).tasks)
    assert {sample.entry for sample in samples} == wanted
    family = "qwen2_5_vl" if path.stem == "mvp" else "qwen3_vl"
    tiny.build(tmp_path / "tiny", [sample.prompt for sample in samples], family)
    sets = [f"grpo.{key}={value}" for key, value in STEP.items()]
    config = load(path, "train", TrainConfig, {}, sets=sets)
    trained = train(tmp_path / "data", str(tmp_path / "tiny"), tmp_path / "run", config)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    assert [m["step"] for m in metrics] == [1, 2]
    assert all(math.isfinite(m["loss"]) and math.isfinite(m["grad_norm"]) for m in metrics)
    assert ("kl" in metrics[0]) == (config.grpo.beta > 0)
    assert (trained / "README.md").is_file()


# accelerate's configs.


@pytest.mark.parametrize(
    ("name", "processes", "kind"),
    [
        ("1_gpu", 1, DistributedType.NO),
        ("4_gpu", 4, DistributedType.MULTI_GPU),
        ("8_gpu", 8, DistributedType.FSDP),
    ],
)
def test_accelerate_reads_its_config(name: str, processes: int, kind: DistributedType) -> None:
    config = load_config_from_file(str(FOLDER / "accelerate" / f"{name}.yaml"))
    assert isinstance(config, ClusterConfig)
    assert (config.num_processes, config.distributed_type) == (processes, kind)
    assert config.mixed_precision == "bf16" and not config.use_cpu
    if kind == DistributedType.FSDP:
        # Trainer.save_model saves nothing with another one.
        assert config.fsdp_config["fsdp_state_dict_type"] == "FULL_STATE_DICT"


def test_the_keys_of_fsdp_are_those_that_accelerate_asks_for() -> None:
    """A misspelt one would be passed on and not be read by anybody."""
    from accelerate.commands.config import cluster

    config = yaml.safe_load((FOLDER / "accelerate" / "8_gpu.yaml").read_text())
    source = Path(cluster.__file__).read_text()
    for key in config["fsdp_config"]:
        assert f'fsdp_config["{key}"]' in source


@pytest.mark.parametrize("name", ["videossr_30k", "mvp", "videoperceiver_3b", "videoperceiver_7b"])
def test_the_launch_lines_of_a_recipe_name_what_there_is(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    lines = text.replace("\\\n#", "").splitlines()
    launched = [line for line in lines if "accelerate launch" in line]
    assert len(launched) == 1 and "-m kuleshov train" in launched[0]
    words = launched[0].split()
    assert (FOLDER.parent / words[words.index("--config_file") + 1]).is_file()
    assert words[words.index("--config") + 1] == f"recipes/{name}.yaml"


@pytest.mark.slow
def test_accelerate_launches_training_in_two_processes(clips: Path, tmp_path: Path) -> None:
    small_set(FOLDER / "mvp.yaml", clips, tmp_path)
    prompts = [sample.prompt for sample in load_samples(tmp_path / "data", "train")]
    tiny.build(tmp_path / "tiny", prompts)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", "0", "-m", "kuleshov", "train", "data", "--model", "tiny"]
    command += ["-o", "run", "--config", str(FOLDER / "mvp.yaml")]
    for key, value in STEP.items():
        command += ["--set", f"grpo.{key}={value}"]
    ran = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.splitlines().count("run/model") == 1  # one process speaks
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert environment(tmp_path / "run")["settings"]["grpo"]["steps"] == 2
    assert (tmp_path / "run" / "model" / "README.md").is_file()
