"""What a training would do, told without weights, videos or a GPU.

The model is built in its real size on torch's `meta` device, frozen and given adapters as the
recipe says; then a step is divided over the processes, and the memory of each is estimated
(memory.py). What cannot work is refused here as it would be hours later on the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kuleshov.config import MakeConfig
from kuleshov.errors import UsageError
from kuleshov.sample import Json
from kuleshov.train.adapters import adapted
from kuleshov.train.config import GRPOSettings, LoRASettings, TrainConfig
from kuleshov.train.memory import Load, Memory, Shape, estimate, shape_of
from kuleshov.train.sharing import unshared
from kuleshov.train.sizes import config_of, skeleton

TEXT_TOKENS = 256
"""Of a prompt beside its vision tokens; ours, above what the tasks write."""


class Batches(NamedTuple):
    """A step, divided: prompts x group_size = processes x micro_batch x accumulation."""

    prompts: int
    group_size: int
    processes: int
    micro_batch: int
    accumulation: int

    @property
    def each(self) -> int:
        """Completions of each process."""
        return self.micro_batch * self.accumulation

    def __str__(self) -> str:
        return (
            f"{self.prompts} prompts x {self.group_size} completions = {self.processes} processes "
            f"x {self.micro_batch} at a time x {self.accumulation} passes"
        )


class Plan(NamedTuple):
    """What was found.

    Args:
        apart: why each completion has a prompt of its own, "" if a prompt is computed once for all
            of its group.
    """

    model: str
    shape: Shape
    batches: Batches
    load: Load
    memory: Memory
    train: TrainConfig
    apart: str

    def rows(self) -> list[tuple[str, str]]:
        """Names and values for people."""
        shape, memory = self.shape, self.memory
        rank = self.train.lora.rank
        how = f"LoRA of rank {rank}" if rank else "all that is not frozen"
        figures = zip(memory._fields, memory, strict=True)
        return [
            ("model", f"{self.model}, {shape.weights / 1e9:.2f} billion parameters"),
            ("trained", f"{shape.trained / 1e9:.3f} billion ({how})"),
            ("vision tower", "frozen" if shape.frozen_tower else "trained"),
            *_before(self.train),
            ("step", str(self.batches)),
            ("rolled out", _rolled_out(self.train.grpo)),
            ("prompt", f"up to {self.load.prompt_tokens:,} tokens, {self.load.patches:,} patches"),
            ("shared", _shared(self.apart, self.batches.group_size)),
            *((f"GPU memory: {name}", _gigabytes(number)) for name, number in figures),
            ("GPU memory: in all", f"{_gigabytes(memory.total)}, an estimate (docs/training.md)"),
        ]


def _before(train: TrainConfig) -> list[tuple[str, str]]:
    """The phases that come first, of which no memory is estimated."""
    found = []
    if train.sft.steps:
        how = ", with contrastive losses" if train.sft.contrast.weight else ""
        found.append(("cold start", f"{train.sft.steps} steps of {train.sft.batch_size}{how}"))
    if train.dpo.steps:
        found.append(("pairs", f"{train.dpo.steps} steps of {train.dpo.batch_size}"))
    return [(name, f"{what}; its memory is not estimated") for name, what in found]


def _shared(apart: str, group_size: int) -> str:
    if apart:
        return f"no: {apart}, so each completion is computed with a prompt of its own"
    return f"each prompt is computed once for its {group_size} completions"


def _rolled_out(settings: GRPOSettings) -> str:
    """Completions of a step, with those that an objective asks for beside its groups."""
    objective, prompts = settings.built_objective(), settings.prompts_per_step
    completions = prompts * settings.group_size
    said = f"{completions} completions"
    if twins := prompts * objective.twins(settings.group_size):
        said += f", {twins} of their twins"
    if again := completions * objective.tries():
        said += f", up to {again} once more"
    return said


def plan(
    model: str,
    train: TrainConfig,
    make: MakeConfig,
    processes: int = 1,
    shard: bool = False,
) -> Plan:
    """What GRPO by a recipe would do.

    Args:
        model: name in `sizes.PUBLISHED`, or the folder of a model.
        train: the `train` section.
        make: the `make` section, whose tasks say how long prompts are.
        processes: GPUs.
        shard: whether weights, gradients and optimizer are divided over them.

    Raises:
        UsageError: a size that is not known, adapters that fit nothing, or a step that cannot be
            divided.
    """
    settings = train.grpo
    batches = divide(settings, processes)
    vision = config_of(model).vision_config
    tasks = [*make.built().values(), *([make.labelled_task()] if make.labelled else [])]
    whole = trained(skeleton(model), train.lora, train.freeze_vision)
    # As training decides it, before its proof.
    apart = unshared(whole) if settings.share_prompts else "train.grpo.share_prompts is false"
    longest = max((_media(task.knobs(), vision) for task in tasks), default=(0, 0))
    load = Load(
        prompt_tokens=longest[0] + TEXT_TOKENS,
        patches=longest[1],
        completion_tokens=settings.max_completion_tokens,
        completions=batches.each,
        prompts=-(-batches.each // batches.group_size),
        micro_batch=batches.micro_batch,
        micro_prompts=-(-batches.micro_batch // batches.group_size),
        shared=not apart,
    )
    shape = shape_of(whole)
    reference = settings.beta != 0 and not train.lora.rank
    memory = estimate(shape, load, reference, processes, shard)
    return Plan(model, shape, batches, load, memory, train, apart)


def divide(settings: GRPOSettings, processes: int) -> Batches:
    """A step of GRPO over processes.

    Raises:
        UsageError: the completions of a step do not divide into processes, or those of a process
            into passes.
    """
    whole = settings.prompts_per_step * settings.group_size
    if processes < 1 or whole % processes:
        raise UsageError(
            f"{whole} completions of a step (train.grpo: prompts_per_step * group_size) cannot be "
            f"divided by {processes} processes; change one of the three"
        )
    each = whole // processes
    micro = each if settings.micro_batch is None else settings.micro_batch
    if each % micro:
        raise UsageError(
            f"train.grpo: micro_batch is {micro}; it must divide the {each} completions of each "
            f"of {processes} processes"
        )
    return Batches(settings.prompts_per_step, settings.group_size, processes, micro, each // micro)


def trained(model: Any, lora: LoRASettings, freeze_vision: bool) -> Any:
    """A model of which only what will be trained asks for gradients.

    Raises:
        UsageError: no module has a name that the adapter looks for, or the tower is to be frozen
            and is given adapters.
    """
    tower = {id(weight) for weight in model.base_model.visual.parameters()}
    if freeze_vision:
        model.base_model.visual.requires_grad_(False)
    if not lora.rank:
        return model
    adapted_model = adapted(model, lora)
    if freeze_vision:
        inside = adapted_model.get_base_model().base_model.visual.parameters()
        if any(weight.requires_grad for weight in inside if id(weight) not in tower):
            raise UsageError(
                f"the vision tower is frozen, and train.lora.targets {lora.targets!r} are also in "
                "it; give those of the language model only, as the default does"
            )
    return adapted_model


def _media(knobs: Mapping[str, Json], vision: Any) -> tuple[int, int]:
    """(tokens, patches) of a task's videos and candidates, at the largest size; 0 for text only.

    Frames go through the tower in pairs, each video's last one with itself if it is left over.
    """
    frames = int(knobs.get("num_frames") or 0) + int(knobs.get("num_pages") or 0) * int(
        knobs.get("frames_per_page") or 0
    )
    videos = int(knobs.get("num_clips") or 1)
    pairs = videos * -(-frames // (videos * vision.temporal_patch_size))
    pairs += int(knobs.get("num_targets") or 0) + int(knobs.get("num_distractors") or 0)
    patches = int(knobs["max_pixels"]) // vision.patch_size**2
    return pairs * (patches // vision.spatial_merge_size**2), pairs * patches


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
