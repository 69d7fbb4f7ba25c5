"""The one schema of all results: item x condition x repeat, a JSON line each.

RUN/
  results.jsonl     a line for each answer
  config.yaml       as resolved
  environment.json  versions, the model, the sample set
  left_out.jsonl    questions that could not be shown or are refused, with the reason (left_out.py)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from kuleshov.errors import UsageError
from kuleshov.files import append_lines, read_lines
from kuleshov.generation import Sampling
from kuleshov.sample import Json

BEFORE: dict[str, Json] = {"sampling": asdict(Sampling()), "positions": "installed"}
"""What an environment.json without these keys means; versions before them did nothing else."""


@dataclass(frozen=True, slots=True)
class Result:
    """One answer of one model.

    Args:
        sample: id of the sample.
        task: the entry of the recipe that the sample belongs to; mostly the name of its task.
        video: id of the video that decides the split; statistics resample by it.
        condition: "full" or the name of a control.
        repeat: counted from 0, where a question is asked several times.
        completion: what the model wrote.
        answer: the parsed answer, None if there was none.
        score: reward of the completion, in [0, 1]; 0 for none.
        num_frames: frames the model was shown.
        num_tokens: tokens of the prompt, vision included; None where an endpoint does not say.
        scores: named figures beside the score, each in [0, 1]: the parts of the reward and the
            published metric of the task (metrics.py), which is 0 where there is no answer.
        seconds: for each media item the times that the model was told.
        sizes: for each media item (height, width) of its frames in pixels, as the model got them.
        sent: hash of the prompt and the pixels that were sent, 32 hex digits.
        finish: why the completion ends: "stop", "length" (cut), or what an endpoint calls it.
        sampling: what the completion was drawn with: temperature, top_p, top_k, min_p and
            repetition_penalty; None for one that was left to an endpoint. {} where nothing was
            drawn, or by a version that did not write it down.
        positions: where the model put tokens behind a video, in `generation.POSITIONS`; "" where
            that is not known.
        reasoning: the model's thought, where an endpoint takes it apart from the answer. It is
            graded only where it is all there is.
    """

    sample: str
    task: str
    video: str
    condition: str
    repeat: int
    completion: str
    answer: Json
    score: float
    num_frames: int
    num_tokens: int | None
    scores: dict[str, float] = field(default_factory=dict)
    seconds: Sequence[Sequence[float]] = ()
    sizes: Sequence[Sequence[int]] = ()
    sent: str = ""
    finish: str = ""
    sampling: dict[str, float | None] = field(default_factory=dict)
    positions: str = ""
    reasoning: str = ""

    @property
    def parsed(self) -> bool:
        return self.answer is not None


def load_results(run: Path, times: bool = True) -> list[Result]:
    """The results of an evaluation run; of a line that was written twice, the last.

    A line that a kill cut short is left out with a warning: its item is simply not done.

    Args:
        run: the folder.
        times: whether the times that the model was told are wanted, which are most of a result.

    Raises:
        UsageError: the folder holds none, or something else among them.
    """
    path = run / "results.jsonl"
    if not path.is_file():
        raise UsageError(
            f"{run} holds no results; make them with `kuleshov eval MODEL OUT -o {run}`"
        )
    rows: dict[tuple[str, str, int], Result] = {}
    known: dict[str, Json] = {}
    for line in read_lines(path):
        if isinstance(line, dict) and type(line.get("num_tokens")) is not int:
            line = {**line, "num_tokens": None}  # an endpoint's word, once written down unchecked
        try:
            _line().model_validate(line)
            result = Result(**line)
        except (ValidationError, RecursionError) as error:
            why = "nested too deeply"
            if isinstance(error, ValidationError):
                first = error.errors(include_url=False)[0]
                why = f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"
            raise UsageError(
                f"{path} has a line that is no result ({why}); remove it, and the same "
                "`kuleshov eval` asks that question again"
            ) from error
        # What many results have in common is there once.
        common = {name: getattr(result, name) for name in _COMMON}
        common = {name: known.setdefault(repr(value), value) for name, value in common.items()}
        result = replace(result, **common, seconds=result.seconds if times else ())
        rows[result.sample, result.condition, result.repeat] = result
    return list(rows.values())


@lru_cache(maxsize=1)
def _line() -> type[BaseModel]:
    """What each field of a line has to be."""
    hints = get_type_hints(Result)
    known: dict[str, Any] = {}
    for one in fields(Result):
        needed = one.default is MISSING and one.default_factory is MISSING
        known[one.name] = (hints[one.name], ... if needed else None)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model("Line", __config__=config, **known)


_COMMON = ("task", "video", "condition", "sizes", "sampling", "positions")


def append_results(run: Path, results: Iterable[Result]) -> None:
    """Add results to those of a run."""
    text = "".join(json.dumps(asdict(result)) + "\n" for result in results)
    append_lines(run / "results.jsonl", text)
