"""An estimate of the memory that training takes on each GPU, by formula.

Not measured, and no promise: it says whether a setting is far below, near or above what a GPU
has. It counts what the trainers here do: weights in float32, computation in bfloat16 under
autocast, AdamW, activations kept at the layers' inputs only (gradient checkpointing), prompts
shared by their completions, logits a tile at a time (TRL's kernel).

    weights       4 bytes each; the reference model (beta > 0, no LoRA) as many again
    gradients     4 bytes for each trained weight
    optimizer     8 bytes for each trained weight (two moments; Adam, arXiv 1412.6980)
    casts         2 bytes for each trained weight: autocast's bfloat16 copies
    activations   tokens x 4 h x layers, and twice one layer: tokens x (24 h + 10 (q + k) + 8 f)
    vision        patches x 4 v x blocks, and twice one block: patches x (30 v + 8 f_v); where the
                  tower is frozen one block once
    logits        one tile of tokens x vocabulary in bfloat16, and in float32
    rollouts      key-value cache: completions x (prompt + completion) x 2 layers k x 4 bytes

with h, f the widths of the stream and the MLP, q, k those of all query and all key heads, and v,
f_v those of the tower. Recomputing activations from the layers' inputs is arXiv 1604.06174, the
way of counting one layer's that of arXiv 2205.05198 (section 4.1), with our own sums for these
architectures: the residual stream stays in float32 under autocast. A test compares them with what
autograd saves. The cache is in float32 too, as keys come out of the rotation so; where FSDP itself
computes in bfloat16 it may be half of that.

With `shard` (FSDP, DeepSpeed ZeRO-3) weights, gradients and optimizer are divided by the GPUs, and
in the place of the copies stand the weights that are gathered at a time: two layers, and what is in
no layer. The rollouts and the backward pass take turns, so the larger of them counts.

Not counted: what PyTorch and the kernels themselves take (1 to 2 GB), the pixels, fragmentation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WEIGHT, GRADIENT, OPTIMIZER, CAST, STREAM = 4, 4, 8, 2, 4
TILE = 4096 * 32768
"""Logits that TRL's kernel has at a time, tokens x vocabulary; pinned by a test."""


class Shape(NamedTuple):
    """What the formulas need of a model.

    Args:
        weights: parameters in all.
        trained: parameters that are trained, adapters included.
        layer: parameters of one layer of the language model.
        outside: parameters that are in no layer and no block of the tower.
        frozen_tower: whether no weight of the vision tower is trained.
        layers, stream, mlp, queries, keys: of the language model.
        blocks, tower_stream, tower_mlp: of the vision tower.
    """

    weights: int
    trained: int
    layer: int
    outside: int
    frozen_tower: bool
    layers: int
    stream: int
    mlp: int
    queries: int
    keys: int
    blocks: int
    tower_stream: int
    tower_mlp: int


class Load(NamedTuple):
    """What one GPU has to do at a time.

    Args:
        prompt_tokens: of the longest prompt, its vision tokens included.
        patches: of that prompt, before the tower merges them.
        completion_tokens: of the longest completion.
        completions: rolled out at a time.
        prompts: that these completions belong to.
        micro_batch: completions for each forward and backward pass.
        micro_prompts: that these belong to.
        shared: whether a prompt is computed once for them.
    """

    prompt_tokens: int
    patches: int
    completion_tokens: int
    completions: int
    prompts: int
    micro_batch: int
    micro_prompts: int
    shared: bool = True

    def tokens(self) -> int:
        """Tokens of a forward and backward pass; a shared prompt's last one is there again for
        each completion (prefix.py).
        """
        if not self.shared:
            return self.micro_batch * (self.prompt_tokens + self.completion_tokens)
        prompts = self.micro_prompts * self.prompt_tokens
        return prompts + self.micro_batch * (self.completion_tokens + 1)


class Memory(NamedTuple):
    """Bytes on each GPU."""

    weights: int
    reference: int
    gradients: int
    optimizer: int
    casts: int
    activations: int
    vision: int
    logits: int
    rollouts: int

    @property
    def total(self) -> int:
        """At the worst moment."""
        passes = self.gradients + self.activations + self.vision + self.logits
        always = self.weights + self.reference + self.optimizer + self.casts
        return always + max(passes, self.rollouts)


def layer_bytes(shape: Shape) -> int:
    """What a layer keeps of each token for its backward pass, if it keeps all."""
    return 24 * shape.stream + 10 * (shape.queries + shape.keys) + 8 * shape.mlp


def block_bytes(shape: Shape) -> int:
    """The same of a block of the vision tower and a patch; too much where its MLP has no gate."""
    return 30 * shape.tower_stream + 8 * shape.tower_mlp


def estimate(shape: Shape, load: Load, reference: bool, processes: int, shard: bool) -> Memory:
    """The bytes on each GPU; the formulas are in this module's docstring.

    Args:
        shape: the model.
        load: the work of one GPU.
        reference: whether a reference model is kept.
        processes: GPUs.
        shard: whether they divide weights, gradients and optimizer among them.
    """
    parts = processes if shard else 1
    gathered = CAST * min(shape.weights, shape.outside + 2 * shape.layer)
    tokens = load.tokens()
    copies = load.micro_prompts if load.shared else load.micro_batch
    patches = copies * load.patches
    kept = STREAM * shape.tower_stream * shape.blocks + 2 * block_bytes(shape)
    cache = 2 * shape.layers * shape.keys * STREAM
    return Memory(
        weights=WEIGHT * shape.weights // parts,
        reference=WEIGHT * shape.weights // parts if reference else 0,
        gradients=GRADIENT * shape.trained // parts,
        optimizer=OPTIMIZER * shape.trained // parts,
        casts=gathered if shard else CAST * shape.trained,
        activations=tokens * (STREAM * shape.stream * shape.layers + 2 * layer_bytes(shape)),
        vision=patches * (block_bytes(shape) if shape.frozen_tower else kept),
        logits=TILE * (2 + 4),
        rollouts=load.completions * (load.prompt_tokens + load.completion_tokens) * cache,
    )


def shape_of(model: Any) -> Shape:
    """The shape of a transformers model, or of a PEFT wrapper of one, such as `sizes.skeleton`."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    text, vision = core.config.text_config, core.config.vision_config
    layers = core.base_model.language_model.layers
    tower = core.base_model.visual
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    weights = _count(core.parameters())
    inside = _count(layers.parameters()) + _count(tower.blocks.parameters())
    return Shape(
        weights=weights,
        trained=_count(w for w in core.parameters() if w.requires_grad),
        layer=_count(layers[0].parameters()),
        outside=weights - inside,
        frozen_tower=not any(weight.requires_grad for weight in tower.parameters()),
        layers=text.num_hidden_layers,
        stream=text.hidden_size,
        mlp=text.intermediate_size,
        queries=head * text.num_attention_heads,
        keys=head * text.num_key_value_heads,
        blocks=vision.depth,
        tower_stream=vision.hidden_size,
        tower_mlp=vision.intermediate_size,
    )


def _count(weights: Any) -> int:
    return sum(weight.numel() for weight in weights)
