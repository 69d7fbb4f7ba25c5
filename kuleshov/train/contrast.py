"""The knobs of VideoPerceiver's contrastive losses: `train.sft.contrast` of a recipe.

The losses are in `contrastive.py`, their trainer in `contrastive_sft.py`. Imports no torch: a
recipe is checked before torch loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kuleshov.errors import UsageError, unknown_name
from kuleshov.train.preference import DEGRADED, KEY_FRAMES


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Contrastive losses of the cold start (VideoPerceiver, arXiv 2511.18823, section 3.2).

    Args:
        weight: lambda of (7), 0.1 in the paper; 0 for none of these losses.
        degraded: what the degraded video lacks, in `kuleshov.train.preference.DEGRADED`. The
            paper's: "key_frames". Samples without such a video give no negatives.
        blocks: of the language model, from 1; the losses are averaged over them. The paper's is
            16; what the model lacks becomes its last block, with a warning.
        temperature: tau. Not stated in the paper; 0.07 is ours.
        dropout: of the second view. Not stated; 0.1 is SimCSE's.
        layout: "separate" rows for the video, the degraded video and the text, or
            "concatenated" in one, as printed, where the later ones see the earlier ones.
        learning_rate: of the contrastive losses; None for that of the run. The paper has one of
            its own, but both losses move the same weights. **Ours**: the term is multiplied by
            learning_rate / that of the run, which is a rate of its own for plain gradient descent,
            and a weight for optimizers that normalise their steps.
    """

    weight: float = 0.0
    degraded: str = KEY_FRAMES
    blocks: tuple[int, ...] = (16,)
    temperature: float = 0.07
    dropout: float = 0.1
    layout: Literal["separate", "concatenated"] = "separate"
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if self.degraded not in DEGRADED:
            raise unknown_name("train.sft.contrast.degraded", self.degraded, DEGRADED)
        for key, ok, allowed in [
            ("weight", self.weight >= 0, "0 or more"),
            ("blocks", self.blocks and min(self.blocks) >= 1, "numbers from 1, at least one"),
            ("temperature", self.temperature > 0, "above 0"),
            ("dropout", 0 <= self.dropout < 1, "0 to below 1"),
            ("layout", self.layout in ("separate", "concatenated"), "separate, concatenated"),
            ("learning_rate", self.learning_rate is None or self.learning_rate > 0, "above 0"),
        ]:
            if not ok:
                raise UsageError(
                    f"train.sft.contrast: {key} is {getattr(self, key)}; allowed: {allowed}"
                )

    def factor(self, learning_rate: float) -> float:
        """What the contrastive losses are multiplied by in a run with this learning rate."""
        return self.weight * (self.learning_rate or learning_rate) / learning_rate
