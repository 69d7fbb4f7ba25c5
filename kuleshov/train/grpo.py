"""GRPO on video: TRL's trainer, with the video in the loss and each prompt computed once.

The algorithm is TRL's, unchanged. TRL 1.16 passes images on to its log-probabilities and drops
videos, and runs every prompt as often as it has completions. The overrides here carry each
prompt's vision inputs from the prompt to every forward pass, where a prompt stands once for all
of its completions (prefix.py, rollout.py).

    _generate_and_score_completions   encode each row's sample; keep the inputs for the loss
      _generate                         refuse completions with vision tokens; write again what
                                        the objective wants again (refeed.py); add what twins
                                        wrote, where they are trained on
      _tokenize_prompts                 hand them to generation
      _generate_single_turn             roll out from shared prompts
      _get_per_token_logps_...          old and reference log-probabilities
    _get_train_sampler                the same order of samples when a run goes on
    _prepare_inputs                   bring groups together again after TRL's shuffle
    _compute_loss                     bring back the inputs of this micro-batch
      _get_per_token_logps_...          policy log-probabilities

Longer than a subclass should be: TRL has no seam between its prompts, rollouts and
log-probabilities that carries more than images, so each of the steps above is met by itself.

Departures: none from TRL's GRPO. vLLM is asked through vllm_rollout.py. Not covered: tools.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from accelerate.utils import gather_object
from trl.models.utils import unwrap_model_for_generation

from kuleshov.sample import Sample
from kuleshov.tasks import score
from kuleshov.train.encode import Encoded, Encoder, join_videos, left_pad, vision_tokens
from kuleshov.train.experts import balance_if_possible
from kuleshov.train.generation import plain
from kuleshov.train.guard import guard, refuse_vision_tokens
from kuleshov.train.objective_trainer import ObjectiveTrainer
from kuleshov.train.positions import place, placed
from kuleshov.train.prefix import Group, pack
from kuleshov.train.refeed import Written, refeed
from kuleshov.train.resume import RenamedWeights
from kuleshov.train.rollout import generate
from kuleshov.train.sharing import Proof, agreed, provable, prove, prove_rollouts, unshared
from kuleshov.train.stand_ins import StandIns
from kuleshov.train.tower import Tower
from kuleshov.train.vllm_rollout import carry_videos, check_positions, couriers
from kuleshov.train.window import EpochSampler, KeepWindow, encode_once, together


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of the trainer's dataset; the pixels are rendered when it is used."""
    return {
        "prompt": [{"role": "user", "content": sample.prompt}],
        "sample": sample.to_json(),
    }


def pretext_reward(
    completions: list[list[dict[str, str]]],
    sample: list[str],
    log_metric: Callable[[str, float], None] | None = None,
    twin: list[bool] | None = None,
    **columns: Any,
) -> list[float]:
    """What each completion earns, as a TRL reward function.

    Logs the mean reward of each task and the share of completions without an answer; those of
    twins (see objective.py) under names of their own.
    """
    prefix = "twin/" if twin else ""
    samples = [Sample.from_json(text) for text in sample]
    rewards = [
        score(s, completion[0]["content"])
        for s, completion in zip(samples, completions, strict=True)
    ]
    if log_metric is not None:
        # One value for each completion: TRL takes the mean of all of them, over all processes.
        for s, reward in zip(samples, rewards, strict=True):
            log_metric(f"{prefix}task/{s.task}", reward.total)
            log_metric(f"{prefix}parse_failures", float(reward.answer is None))
    return [reward.total for reward in rewards]


class VideoGRPOTrainer(ObjectiveTrainer):
    """`trl.GRPOTrainer` whose dataset rows hold samples (see `row`).

    Args:
        encoder: turns a sample into model inputs.
        share_prompts: compute a prompt once for all of its completions; the same results, to
            rounding, for less work. False for attention that takes no mask, such as flash. Models
            whose layers cannot do it do not, and the first group proves it (sharing.py).
        cache_bytes: how many embeddings of videos are kept (tower.py); 0 for none.
        stand_ins: for rows that cannot be shown; None to stop at one.
        **kwargs: as for `ObjectiveTrainer` and `trl.GRPOTrainer`.

    Raises (while training):
        MissingVideoError: video tokens reached the model without their features, or the model
            wrote such tokens itself.
    """

    _buffered_inputs: list[dict[str, Any]] | None  # micro-batches of the rollouts at hand

    def __init__(
        self,
        *args: Any,
        encoder: Encoder,
        share_prompts: bool = True,
        cache_bytes: int = 1 << 30,
        stand_ins: StandIns | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        balance_if_possible(self)
        self.encoder = encoder
        self.stand_ins = stand_ins
        self._texts = encoder.texts
        # The completions of a group stay together; whether they share their prompt is seen below.
        self.grouped = self.share_prompts = share_prompts
        self._proven = self._rollouts_proven = False
        if share_prompts and (reason := unshared(self.model)):
            self.share_prompts = False
            logging.getLogger(__name__).info("prompts are not shared: %s", reason)
        # The prompts of the batch at hand, one for each row of it, None outside of a batch.
        self._prompts: Sequence[Encoded] | None = None
        if self.use_vllm:
            carry_videos(self.vllm_generation)
        guard(self.model)
        if self.ref_model is not None:
            guard(self.ref_model)
            unwrap = self.accelerator.unwrap_model
            place(unwrap(self.ref_model), placed(unwrap(self.model)))
            # What does not change need not be encoded again; the synchronised one changes.
            self.ref_model.requires_grad_(self.args.sync_ref_model)
        # Sharded weights are whole in forward passes only, and embeddings are made outside.
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        self.tower = Tower(0 if sharded else cache_bytes)
        self.add_callback(RenamedWeights())
        self.add_callback(KeepWindow(self))

    def _get_train_sampler(self, dataset: Any = None) -> EpochSampler:
        # `state.epoch` counts parts of epochs: 1.5 in the middle of the second.
        return EpochSampler(super()._get_train_sampler(dataset), lambda: int(self.state.epoch or 0))

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.stand_ins is None:
            inputs, self._prompts = self._encoded(inputs)
        else:
            inputs, self._prompts = self.stand_ins(self._encoded, inputs)
        try:
            with self.tower.between_updates():
                output: dict[str, Any] = super()._generate_and_score_completions(inputs)
            # TRL shuffles and splits lists in step with the tensors beside them.
            output["encoded"] = list(self._prompts)
            # From which a run that goes on encodes again.
            output["sample"] = [prompt.sample.to_json() for prompt in self._prompts]
        finally:
            self._prompts = None
        return output

    def _encoded(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Encoded]]:
        """The rows with their prompts."""
        return rows, encode_once([entry["sample"] for entry in rows], self.encoder)

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        written: tuple[Any, ...] = super()._generate(prompts)
        written = (*written[:3], _as_turns(self.read(written[1])), *written[4:])
        if self.model.training and self.objective.tries():
            written = self._refed(written)
        if self.model.training and self.objective.trains_twins():
            written = self._with_twins(written)
        refuse_vision_tokens(self.model.config, written[1])
        return written

    def _refed(self, written: tuple[Any, ...]) -> tuple[Any, ...]:
        """What TRL generated, with the completions that the objective has written again."""
        assert self._prompts is not None
        last = refeed(
            self.objective,
            Written(list(self._prompts), written[1]),
            self.roll_out_twins([prompt.sample for prompt in self._prompts]).texts,
            self.encoder,
            lambda prompts: self._complete(prompts, 1),
            self.read,
            lambda here: any(gather_object([here])),
        )
        again = sum(gather_object([last.again]))
        self._metrics["train"]["refeed/completions"].append(float(again))
        self._prompts = last.prompts
        prompt_ids = [prompt.input_ids.tolist() for prompt in last.prompts]
        turns = _as_turns(self.read(last.ids))
        return prompt_ids, last.ids, written[2], turns, *written[4:]

    def _with_twins(self, written: tuple[Any, ...]) -> tuple[Any, ...]:
        """Prompts and ids of what TRL generated, and behind them those of the twins.

        TRL makes log-probabilities of all that is here, and earns rewards by the texts, which stay.
        """
        assert self._prompts is not None
        twins = self.roll_out_twins([prompt.sample for prompt in self._prompts]).written
        self._prompts = [*self._prompts, *twins.prompts]
        prompt_ids = [prompt.input_ids.tolist() for prompt in twins.prompts]
        # As TRL counts what is trained on.
        tokens = sum(map(len, prompt_ids)) + sum(map(len, twins.ids))
        self.state.num_input_tokens_seen += sum(gather_object([tokens]))
        self._metrics["train"]["num_tokens"] = [self.state.num_input_tokens_seen]
        return [*written[0], *prompt_ids], [*written[1], *twins.ids], *written[2:]

    def read(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return self._texts(ids)

    def roll_out(self, samples: Sequence[Sample], number: int) -> Written:
        known = {prompt.sample.to_json(): prompt for prompt in self._prompts or ()}
        encoded = encode_once(
            [sample.to_json() for sample in samples],
            lambda sample: known.get(sample.to_json()) or self.encoder(sample),
        )
        prompts = [prompt for prompt in encoded for _ in range(number)]
        return Written(prompts, self._complete(prompts, number))

    def _complete(self, prompts: Sequence[Encoded], number: int) -> list[list[int]]:
        """Completions without gradient; `number` for each different prompt, one after other."""
        outer, self._prompts = self._prompts, prompts
        try:
            told = self._tokenize_prompts([None] * len(prompts))
            ids: list[list[int]] = self._generate_single_turn(*told, number)[0]
        finally:
            self._prompts = outer
        return ids

    @property
    def _shares_rollouts(self) -> bool:
        elsewhere = self.use_vllm or self.use_transformers_continuous_batching
        return self.share_prompts and not elsewhere

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        assert self._prompts is not None and len(self._prompts) == len(prompts)
        if self._shares_rollouts and not self._rollouts_proven:
            self.share_prompts = agreed(self._proof_of_rollouts(self._prompts[0])) is not False
            self._rollouts_proven = True
        # Shared prompts bring their own.
        fields: dict[str, Any] = {} if self._shares_rollouts else dict(join_videos(self._prompts))
        types = [p.token_types.tolist() for p in self._prompts if p.token_types is not None]
        fields |= {"mm_token_type_ids": types} if types else {}
        return [prompt.input_ids.tolist() for prompt in self._prompts], None, fields

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        assert self._prompts is not None
        if not self._shares_rollouts:
            if self.use_vllm:
                core = self.accelerator.unwrap_model(self.model)
                for prompt, _ in _groups(self._prompts):
                    check_positions(core, prompt)
                images = couriers(self._prompts, self.encoder, self.vllm_mode)
            with plain(self.accelerator.unwrap_model(self.model_wrapped)):
                turn: tuple[list[list[int]], Any] = super()._generate_single_turn(
                    prompt_ids, images, multimodal_fields, num_generations, has_tool_images
                )
            return turn
        groups = _groups(self._prompts)
        rows = {row: i for i, (_, members) in enumerate(groups) for row in members}
        with self._for_rollouts() as model:
            written = generate(
                model,
                [prompt for prompt, _ in groups],
                [rows[row] for row in range(len(rows))],
                self._tokenizer.pad_token_id,
                self.generation_config,
                self.tower,
            )
        return [_until_end(ids, self.eos_token_ids) for ids in written.tolist()], None

    @contextmanager
    def _for_rollouts(self) -> Iterator[Any]:
        """The model, its weights whole."""
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                generation_kwargs=self.generation_kwargs,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
            ) as model,
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
            self.accelerator.autocast(),
        ):
            yield model

    def _proof_of_rollouts(self, prompt: Encoded) -> Proof:
        # Any words will do that end no completion and stand for no picture.
        no_words = torch.tensor([*self.eos_token_ids, *vision_tokens(self.model.config)])
        words = prompt.input_ids[~torch.isin(prompt.input_ids, no_words)]
        with self._for_rollouts() as model:
            return prove_rollouts(model, prompt, words, self._tokenizer.pad_token_id, self.tower)

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        before = self._buffered_inputs
        inputs: dict[str, Any] = super()._prepare_inputs(generation_batch)
        steps = self.args.steps_per_generation
        fresh = self._buffered_inputs
        if self.grouped and steps > 1 and fresh is not None and fresh is not before:
            self._buffered_inputs = together(fresh)
            inputs = self._buffered_inputs[self._step % steps]
        return inputs

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        assert self._prompts is not None and len(self._prompts) == len(input_ids)
        size = batch_size or len(input_ids)
        own = attention_mask[:, -logits_to_keep:].bool()
        completions = input_ids[:, -logits_to_keep:]
        core = self.accelerator.unwrap_model(model)
        if self.share_prompts and not self._proven and not compute_aux_loss:
            groups = [
                Group(p, [completions[i][own[i]] for i in rows])
                for p, rows in _groups(self._prompts)
            ]
            group = next(filter(provable, groups), None)
            # Sharded weights are gathered by all processes together: all prove, or none.
            ready = all(gather_object([group is not None]))
            proof = self._proof(model, core, group, input_ids.device) if ready and group else None
            verdict = agreed(proof)
            self.share_prompts = verdict is not False
            self._proven = verdict is not None
        # The auxiliary loss of experts counts tokens, repeated prompts included.
        if not self.share_prompts or compute_aux_loss:
            return self._each_by_itself(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                size,
                compute_entropy=compute_entropy,
                compute_aux_loss=compute_aux_loss,
                **{key: value for key, value in kwargs.items() if key != "mm_token_type_ids"},
            )
        logps: dict[int, torch.Tensor] = {}
        entropies: dict[int, torch.Tensor] = {}
        for some in _chunks(_groups(self._prompts), size):
            groups = [Group(p, [completions[i][own[i]] for i in rows]) for p, rows in some]
            with self.accelerator.autocast():
                packed = pack(core, groups, input_ids.device, self.tower)
                output = model(**packed.inputs, labels=packed.labels, fused_lm_head=True)
            members = [row for _, rows in some for row in rows]
            found = packed.of_completions(output.log_probs, logits_to_keep)
            logps |= dict(zip(members, found, strict=True))
            if compute_entropy:
                found = packed.of_completions(output.entropy, logits_to_keep)
                entropies |= dict(zip(members, found, strict=True))

        def in_order(values: dict[int, torch.Tensor]) -> torch.Tensor:
            return torch.stack([values[row] for row in range(len(input_ids))])

        return in_order(logps), in_order(entropies) if compute_entropy else None, None

    def _proof(self, model: Any, core: Any, group: Group, device: torch.device) -> Proof:
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        run = model if sharded else core

        def logps(inputs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
            told: torch.Tensor = run(**inputs, labels=labels, fused_lm_head=True).log_probs
            return told

        with self.accelerator.autocast():
            return prove(core, group, logps, device, self.tower, not sharded)

    def _each_by_itself(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        size: int,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """TRL's way, a prompt for each completion, with the vision inputs that it leaves out."""
        assert self._prompts is not None
        parts = []
        for start in range(0, len(input_ids), size):
            here = slice(start, start + size)
            prompts = self._prompts[here]
            ids = input_ids[here]
            inputs = {key: value.to(ids.device) for key, value in join_videos(prompts).items()}
            if known := [p.token_types for p in prompts if p.token_types is not None]:
                types = torch.zeros_like(ids)
                padded = left_pad(known, 0)
                end = ids.size(1) - logits_to_keep
                types[:, end - padded.size(1) : end] = padded
                inputs["mm_token_type_ids"] = types
            parts.append(
                super()._get_per_token_logps_and_entropies(
                    partial(model, **inputs),
                    ids,
                    attention_mask[here],
                    logits_to_keep,
                    **kwargs,
                )
            )
        logps, entropies, aux = zip(*parts, strict=True)
        return (
            torch.cat(logps),
            None if entropies[0] is None else torch.cat(entropies),
            None if aux[0] is None else torch.stack(aux).mean(),
        )

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._prompts = inputs["encoded"]
        try:
            loss: torch.Tensor = super()._compute_loss(model, inputs)
        finally:
            self._prompts = None
        return loss


def _as_turns(texts: Sequence[str]) -> list[list[dict[str, str]]]:
    """Completions as TRL hands them to reward functions."""
    return [[{"role": "assistant", "content": text}] for text in texts]


def _groups(prompts: Sequence[Encoded]) -> list[tuple[Encoded, list[int]]]:
    """Each prompt with its rows; copies of a prompt are the same object."""
    rows: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        rows.setdefault(id(prompt), []).append(row)
    return [(prompts[members[0]], members) for members in rows.values()]


def _chunks(
    groups: Sequence[tuple[Encoded, list[int]]], size: int
) -> Iterator[list[tuple[Encoded, list[int]]]]:
    """As many groups at a time as have at most `size` rows together, at least one."""
    some: list[tuple[Encoded, list[int]]] = []
    for group in groups:
        if some and sum(len(rows) for _, rows in some) + len(group[1]) > size:
            yield some
            some = []
        some.append(group)
    yield some


def _until_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    """A completion up to the token that ends it, without what fills it up."""
    return next((ids[: i + 1] for i, token in enumerate(ids) if token in ends), ids)
