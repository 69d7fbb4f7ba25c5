"""Whether a prompt may stand once in front of all completions of its group (prefix.py), or not.

Sharing is the same as plain rows where every layer is plain softmax attention that takes a mask of
four dimensions. Layers of another kind (linear attention, sliding windows, state spaces) ignore it
or have a mask of their own, and then the second completion of a group sees the first, without an
error anywhere. So

    before    `unshared` asks the decoder what its layers are; what is not known to be full
              attention is computed in plain rows
    once      `prove` compares, on the first group of a run, the second and the last completion (the
              first is right even where all others are wrong) with rows of their own: their
              log-probabilities, and the gradient of a weight of the first layer, since a state that
              is cut off from the graph passes on log-probabilities alone

Rollouts share by other means, the repeated key-value cache (rollout.py), so that `prove_rollouts`
compares them by themselves, before the first one is used.

What may differ is what plain rows differ by from themselves in a batch of another shape, measured
there: a fixed number would be too small for one precision and too large for another. Plain rows
are filled up on the left by several lengths for it (`FILLED`): sums are made in blocks, and rows
that fall into the same ones are equal to the last bit, which in half precision would condemn every
rounding of the shared one. Both are our own choice, as is how often that (`SLACK`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from accelerate.utils import gather_object
from transformers.cache_utils import get_layer_types_and_kwargs

from kuleshov.train.encode import Encoded, batch
from kuleshov.train.prefix import Group, Packed, pack
from kuleshov.train.rollout import dictated
from kuleshov.train.tower import NOTHING_KEPT, Tower

LogProbs = Callable[[dict[str, Any], torch.Tensor], torch.Tensor]
"""Called with model inputs and labels; gives the log-probability of the label at each place + 1,
shape (rows, length - 1), zero where there is none."""
SLACK = 4.0
"""By how many times more than plain rows from themselves shared ones may differ."""
FILLED = (3, 8, 13)
"""By how many places plain rows are filled up to see their rounding: of no common alignment."""
DICTATED = 8
"""Tokens of each completion that rollouts are compared on."""
FLOOR = {torch.float32: 2e-5, torch.float64: 1e-9}
"""What differs by less, in nats, is the same in any case; by the precision of the weights."""
_FULL = "full_attention"


def unshared(model: Any) -> str:
    """Why prompts are not shared with a model; "" if nothing is known against it.

    Args:
        model: a transformers model, or a PEFT wrapper of one. It is the decoder that is asked: the
            configuration of the whole model says nothing of its layers.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = core.config.get_text_config(decoder=True)
    try:
        kinds, _ = get_layer_types_and_kwargs(config)
    except (AttributeError, TypeError, KeyError) as error:
        return f"it is not known what its layers are ({error})"
    # Blocks of vision that see themselves in both directions stand in no list of layers.
    if both := getattr(config, "use_bidirectional_attention", None):
        return f"it attends in both directions (use_bidirectional_attention: {both})"
    others = sorted(set(kinds) - {_FULL})
    return f"it has layers of {', '.join(others)}" if others else ""


def plain_rows(
    groups: Sequence[Group], device: torch.device | str = "cpu", filled: int = 0
) -> Packed:
    """As `prefix.pack`, with a row for each completion and its whole prompt.

    Args:
        groups: the prompts with their completions.
        device: where the inputs go.
        filled: by how many more places all rows are filled up on the left.
    """
    prompts = [group.prompt for group in groups for _ in group.completions]
    completions = [own.cpu() for group in groups for own in group.completions]
    # Nothing is read of what is filled up: the mask says what it is.
    inputs = batch(prompts, 0, completions)
    labels = inputs.pop("labels")
    for key in {"input_ids", "attention_mask", "mm_token_type_ids"} & inputs.keys():
        inputs[key] = torch.nn.functional.pad(inputs[key], (filled, 0))
    labels = torch.nn.functional.pad(labels, (filled, 0), value=-100)
    length = labels.size(1)
    places = [(row, length - len(own)) for row, own in enumerate(completions)]
    moved = {key: value.to(device) for key, value in inputs.items()}
    return Packed(moved, labels.to(device), places)


class Proof(NamedTuple):
    """How far shared prompts are from plain rows, and plain rows from themselves.

    Args:
        logps: the largest difference of a log-probability, in nats.
        rounding: the same of plain rows alone and in batches of other shapes.
        gradient: of a weight of the first layer, relative to its norm; 0 if it was not looked at.
        gradient_rounding: likewise.
        floor: what is the same in any case.
    """

    logps: float
    rounding: float
    gradient: float
    gradient_rounding: float
    floor: float

    @property
    def holds(self) -> bool:
        """Whether sharing gives the same, to rounding."""
        # Written so that what is no number does not pass.
        same = self.logps <= max(self.floor, SLACK * self.rounding)
        return same and self.gradient <= max(50 * self.floor, SLACK * self.gradient_rounding)

    def __str__(self) -> str:
        return (
            f"log-probabilities differ by {self.logps:.2g} nats and a gradient by "
            f"{self.gradient:.1%}; plain rows from themselves by {self.rounding:.1g} and "
            f"{self.gradient_rounding:.1g}"
        )


def provable(group: Group) -> bool:
    """Whether a group has a second completion, and it and its last one have tokens."""
    return len(group.completions) > 1 and all(len(group.completions[i]) for i in (1, -1))


def prove(
    model: Any,
    group: Group,
    logps: LogProbs,
    device: torch.device | str = "cpu",
    tower: Tower = NOTHING_KEPT,
    gradients: bool = True,
) -> Proof:
    """Compare one group, computed with a shared prompt, with plain rows.

    Args:
        model: a transformers model, or a PEFT wrapper of one. It stays as it is.
        group: for which `provable` holds.
        logps: how log-probabilities are computed with it.
        device: where the inputs go.
        tower: as it is used for shared prompts.
        gradients: look at a gradient too; weights that are spread over processes have none here.
    """
    last = len(group.completions) - 1
    chosen = [1] if last == 1 else [1, last]
    alone = [Group(group.prompt, [group.completions[i]]) for i in chosen]
    # A batch of another shape, also where there is one completion to look at.
    together = Group(group.prompt, [group.completions[i] for i in (chosen if last > 1 else [0, 1])])
    longest = max(map(len, group.completions))
    others = [plain_rows([together], device, filled) for filled in FILLED]
    weight = _weight(model) if gradients else None
    with _asking(weight):
        shared, plain, *other = (
            _measured(packs, logps, longest, weight)
            for packs in (
                [(pack(model, [group], device, tower), chosen)],
                [(plain_rows([one], device), [0]) for one in alone],
                *([(other, list(range(2))[-len(chosen) :])] for other in others),
            )
        )
    floor = FLOOR.get(next(model.parameters()).dtype, 0.0)
    return Proof(
        logps=float((shared[0] - plain[0]).abs().max()),
        rounding=max(float((told - plain[0]).abs().max()) for told, _ in other),
        gradient=_apart(shared[1], plain[1]),
        gradient_rounding=max(_apart(found, plain[1]) for _, found in other),
        floor=floor,
    )


def prove_rollouts(
    model: Any,
    prompt: Encoded,
    words: torch.Tensor,
    pad_token_id: int,
    tower: Tower = NOTHING_KEPT,
) -> Proof:
    """Compare generation from a shared prompt with that of transformers, which repeats it.

    Args:
        model: a transformers model, or a PEFT wrapper of one, whose weights are whole.
        prompt: any.
        words: token ids of shape (length,) that both are made to write, in several orders; none of
            them ends a completion.
        pad_token_id: what shorter rows are filled up with.
        tower: as it is used for rollouts.
    """
    completions = torch.stack([words.roll(shift) for shift in range(3)])[:, :DICTATED]
    chosen = completions[1:]  # the second and the last
    floor = FLOOR.get(next(model.parameters()).dtype, 0.0)
    with torch.random.fork_rng():
        alone = torch.cat(
            [dictated(model, prompt, one[None], pad_token_id, None) for one in chosen]
        )
        try:
            shared = dictated(model, prompt, completions, pad_token_id, tower)[1:]
        except (AttributeError, NotImplementedError) as error:  # a cache that cannot be repeated
            logging.getLogger(__name__).warning("rollouts cannot share prompts: %s", error)
            return Proof(float("inf"), 0.0, 0.0, 0.0, floor)
        others = [dictated(model, prompt, chosen, pad_token_id, None, n) for n in FILLED]
    return Proof(
        logps=float((shared - alone).abs().max()),
        rounding=max(float((other - alone).abs().max()) for other in others),
        gradient=0.0,
        gradient_rounding=0.0,
        floor=floor,
    )


def agreed(proof: Proof | None) -> bool | None:
    """What all processes make of their proofs together: False if one of them does not hold, True if
    those that there are do, None if no process has one.

    Warns of the worst of them.
    """
    gathered = gather_object([None if proof is None else tuple(proof)])
    proofs = [Proof(*found) for found in gathered if found is not None]
    broken = [found for found in proofs if not found.holds]
    if broken:
        worst = max(broken, key=lambda found: (found.logps != found.logps, found.logps))
        logging.getLogger(__name__).warning(
            "prompts are not shared by their completions any more: %s. Each completion is computed "
            "with a prompt of its own, which is right and slower (share_prompts: false says so "
            "from the beginning)",
            worst,
        )
        return False
    return True if proofs else None


@contextmanager
def _asking(weight: torch.nn.Parameter | None) -> Iterator[None]:
    """In which a weight asks for a gradient, whether it is trained or not; the random numbers that
    dropout draws are those that training would have drawn.
    """
    if weight is None:
        with torch.random.fork_rng(), torch.no_grad():
            yield
        return
    before = weight.requires_grad
    weight.requires_grad_(True)
    try:
        with torch.random.fork_rng(), torch.enable_grad():
            yield
    finally:
        weight.requires_grad_(before)


def _weight(model: Any) -> torch.nn.Parameter | None:
    """A matrix of the decoder's first layer."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = getattr(core.get_decoder(), "layers", None)
    found = [
        weight
        for weight in (layers[0].parameters() if layers else ())
        if weight.dim() == 2 and weight.is_floating_point()
    ]
    return found[0] if found else None


def _measured(
    packs: Sequence[tuple[Packed, Sequence[int]]],
    logps: LogProbs,
    longest: int,
    weight: torch.nn.Parameter | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(log-probabilities of the chosen completions, gradient of their sum)."""
    rows = []
    for packed, chosen in packs:
        values = packed.of_completions(logps(packed.inputs, packed.labels), longest)
        rows.append(values[list(chosen)])
    told = torch.cat(rows).float()
    if weight is None:
        return told, None
    (gradient,) = torch.autograd.grad(told.sum(), [weight], allow_unused=True)
    return told.detach(), gradient


def _apart(one: torch.Tensor | None, other: torch.Tensor | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return float((one - other).float().norm() / other.float().norm().clamp_min(1e-30))
