"""What would stop a training later, or make it vain, is found before any work.

    settings    what is passed on to TRL (`extra`): keys, kinds of values, and what TRL refuses
    adapters    a pattern that fits no module
    samples     fewer than GRPO draws for a step; none that gives a pair
    clock       frames that the model cannot tell apart in time (a warning)

All of it takes the model's files without its weights; nothing is decoded.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_type_hints

import torch
from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
from transformers import GenerationConfig, get_scheduler
from trl import GRPOConfig

from kuleshov.errors import KuleshovError, UsageError, unknown_name
from kuleshov.sample import Sample
from kuleshov.train.adapters import adapted, left_out
from kuleshov.train.config import TrainConfig
from kuleshov.train.encode import Encoder
from kuleshov.train.model import load_skeleton
from kuleshov.train.positions import blank, coarse_clocks, some_of_each
from kuleshov.trained_on import trained_with

T = TypeVar("T")


def trl_config(
    kind: type[T], section: str, arguments: Mapping[str, Any], extra: Mapping[str, Any]
) -> T:
    """The settings of one of TRL's trainers.

    Args:
        kind: such as `trl.GRPOConfig`.
        section: of the recipe, such as "train.grpo".
        arguments: ours.
        extra: what the recipe passes on, which wins.

    Raises:
        UsageError: a key that there is not, a value of the wrong kind, or what TRL refuses.
    """
    known = inspect.signature(kind).parameters
    for key in extra:
        if key not in known:
            raise unknown_name(f"key in {section}.extra", key, known)
        if key in _IDLE:
            raise UsageError(f"{section}.extra: {key} does nothing here; {_IDLE[key]}")
    hints = get_type_hints(kind)
    given = {k: _of_kind(f"{section}.extra.{k}", hints[k], v) for k, v in extra.items()}
    vllm = bool(extra.get("use_vllm"))
    for key, names in _NESTED.items():
        wanted = names(vllm) if isinstance(given.get(key), dict) else None
        if wanted is None:
            continue
        for inner in given[key]:
            if inner not in wanted:
                raise unknown_name(f"key in {section}.extra.{key}", inner, wanted)
    for key, words in _CHOICES.get(kind.__name__, {}).items():
        value: Any = given.get(key, words[0])
        for one in value if isinstance(value, list) else [value]:
            if one not in words:
                raise unknown_name(f"value of {section}.extra.{key}", str(one), words)
    try:
        args = kind(**{**arguments, **given})
        _try_scheduler(args)
    except (TypeError, ValueError, LookupError, ImportError) as error:
        if isinstance(error, KuleshovError):
            raise
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{section} is refused by TRL: {reason}. Change {section}.extra"
        ) from error
    return args


_IDLE = {
    "chat_template_kwargs": "prompts are written by kuleshov.train.encode",
    "output_dir": "all is written into the run folder, which is given with -o",
}
"""Settings that TRL has and that are not looked at here, or are set otherwise."""


def _generation_keys(vllm: bool) -> set[str] | None:
    if not vllm:
        return {key for key in GenerationConfig().to_dict() if not key.startswith("_")}
    try:
        from vllm import SamplingParams  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return set(inspect.signature(SamplingParams).parameters)


def _checkpoint_keys(vllm: bool) -> set[str] | None:
    named = inspect.signature(torch.utils.checkpoint.checkpoint).parameters.values()
    return {p.name for p in named if p.kind is inspect.Parameter.KEYWORD_ONLY} | {"use_reentrant"}


_NESTED: dict[str, Callable[[bool], set[str] | None]] = {
    "generation_kwargs": _generation_keys,
    "gradient_checkpointing_kwargs": _checkpoint_keys,
    "activation_checkpointing_kwargs": _checkpoint_keys,
}
"""Mappings that are passed on further, and the keys that they may have; None if not known."""


_CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "SFTConfig": {"loss_type": ("nll", "dft")},
    "DPOConfig": {
        "loss_type": (
            *("sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard"),
            *("aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"),
        ),
        "f_divergence_type": ("reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"),
    },
    "GRPOConfig": {
        "loss_type": ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo"),
        "importance_sampling_level": ("token", "sequence"),
        "scale_rewards": ("group", "batch", "none"),
        "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    },
}
"""What TRL 1's trainers look at when the model is loaded, or at the first step only."""


def _of_kind(name: str, hint: Any, value: Any) -> Any:
    try:
        return TypeAdapter(hint).validate_python(value)
    except PydanticSchemaGenerationError:
        return value  # a kind that only TRL knows
    except ValidationError as error:
        raise UsageError(f"{name} is {value!r}: {error.errors()[0]['msg']}") from error


def _try_scheduler(args: Any) -> None:
    """Its arguments are looked at when training begins, after the model was loaded."""
    if not args.lr_scheduler_kwargs:
        return
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=args.learning_rate)
    get_scheduler(
        args.lr_scheduler_type,
        optimizer,
        num_warmup_steps=0,
        num_training_steps=max(1, args.max_steps),
        scheduler_specific_kwargs=dict(args.lr_scheduler_kwargs),
    )


def check_enough(samples: Sequence[Sample], args: GRPOConfig) -> None:
    """Raise unless GRPO can draw the prompts of one step; TRL would end after no step at all.

    Args:
        samples: of the train split.
        args: of the trainer.
    """
    prompts = args.generation_batch_size // args.num_generations
    if len(samples) < prompts:
        raise UsageError(
            f"the train split has {len(samples)} samples, and GRPO draws {prompts} different ones "
            "at a time, so that it would end without a step; lower train.grpo.prompts_per_step, or "
            "make more samples (per_video, more videos, a lower held_out)"
        )


def check_model(name: str, samples: Sequence[Sample], config: TrainConfig) -> None:
    """What can be told of a model and a set of samples by the model's files without its weights.

    Warns of frames that it cannot tell apart in time.

    Args:
        name: of the model, or its path.
        samples: of the train split.
        config: the settings.

    Raises:
        UsageError: the model is not there, its processor lacks something, the adapters fit
            nothing, or a sample cannot be encoded.
    """
    log = logging.getLogger(__name__)
    if (other := trained_with(name)) not in (None, config.positions):
        log.warning(
            "%s was trained with positions: %s and is trained on with %s; set train.positions",
            *(name, other, config.positions),
        )
    model, processor = load_skeleton(name)
    encode = Encoder(processor, blank)
    prompts = {
        task: [encode(sample) for sample in some] for task, some in some_of_each(samples).items()
    }
    for task, text in coarse_clocks(model, prompts).items():
        log.warning("%s: %s", task, text)
    with_adapters = adapted(model, config.lora)
    if with_adapters is not model:
        names, share = left_out(with_adapters)
        if names:
            log.warning(
                "adapters are not on %s of the language model's layers, %.0f%% of their weights, "
                "which stay as they are. To train them too, name linear layers in "
                "train.lora.targets and other weights in train.lora.target_parameters",
                *(", ".join(names), 100 * share),
            )
