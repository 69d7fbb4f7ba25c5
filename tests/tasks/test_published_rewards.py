"""In `paper`, a completion earns what the published formulas give.

Each formula of VideoSSR (arXiv 2511.06281) is worked out here from the text of a completion, with
nothing of the package, on 10,000 random answers: true ones, near ones, random ones and broken
ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from kuleshov.sample import Json, Sample
from kuleshov.tasks import TASKS, Task, build
from tests.conftest import a_video

ANSWERS = 10_000
Rng = np.random.Generator


def grounding(text: str, truth: Json) -> float:
    """Equation 4: intersection over union of two intervals, 0 if the text is no interval."""
    match = re.match(r"^\s*([\d\.]+)\s*-\s*([\d\.]+)\s*$", text.strip())
    if match is None or any(number.count(".") > 1 or number == "." for number in match.groups()):
        return 0.0
    a, b = (float(number) for number in match.groups())
    c, d = truth
    if a > b:
        return 0.0
    # Lengths by a sum over the pieces between the four ends: another way than the package's.
    ends = sorted({a, b, c, d})
    pieces = [(low, high, (low + high) / 2) for low, high in pairwise(ends)]
    both = sum(high - low for low, high, mid in pieces if a < mid < b and c < mid < d)
    either = sum(high - low for low, high, mid in pieces if a < mid < b or c < mid < d)
    return float(both / either)


def counting(text: str, truth: Json) -> float:
    """Equations 5 and 6: mean of max(0, 1 - |given - true| / (true + 1e-9))."""
    given = np.array([float(digits) for digits in re.findall(r"\d+", text)])
    if len(given) != 3:
        return 0.0
    true = np.array(truth, float)
    error = np.abs(given - true) / (true + 1e-9)
    return float(np.maximum(0, 1 - error).mean())


def jigsaw(text: str, truth: Json) -> float:
    """Equations 7 and 8: 1 - E / E_max, E over how far clips are off, E_max = floor(n^2 / 2)."""
    text = text.strip()
    digits = "".join(map(str, truth))
    if sorted(text) != sorted(digits):
        return 0.0
    error = sum(abs(text.find(digit) - digits.find(digit)) for digit in digits)
    return 1 - error / (len(digits) ** 2 // 2)


def interval(rng: Rng, truth: Json) -> str:
    a, b = np.round(np.array(truth) + rng.normal(0, 1, 2), 1).clip(0)
    return f"{a}{rng.choice(['-', ' - ', '- '])}{b}"


def counts(rng: Rng, truth: Json) -> str:
    near = (np.array(truth) + rng.integers(-2, 3, 3)).clip(0).tolist()
    forms = ["{},{},{}", "{}, {}, {}", "{} circles, {} squares and {} triangles"]
    return forms[rng.integers(3)].format(*near)


def order(rng: Rng, truth: Json) -> str:
    digits = list(map(str, truth))
    for _ in range(rng.integers(0, 3)):
        i, j = rng.integers(0, len(digits), 2)
        digits[i], digits[j] = digits[j], digits[i]
    return "".join(digits)


FORMULAS: dict[str, Callable[[str, Json], float]] = {
    "anomaly": grounding,
    "counting": counting,
    "jigsaw": jigsaw,
}
NEAR: dict[str, Callable[[Rng, Json], str]] = {
    "anomaly": interval,
    "counting": counts,
    "jigsaw": order,
}
BROKEN = ["", " ", "-", ".", "1.-2.", ".5-3", "1.2.3-4", "5-2", "2-2", "3", "1-2-3", "1,2", "1,2,3"]
BROKEN += ["1,2,3,4", "³,1,2", "٣,١,٢", "12345", "1234567", "112345", "023456", "12345a", "I see 3"]
BROKEN += ["1-2s", "-1-2", "1–2", "<answer>1-2</answer>", "<answer>1,2,3</answer>", "1e1-2e1"]
BROKEN += ["99999999999-999999999999", "9" * 400 + ",1,1", "٣-٤", "\n1-2\n", "\t123456 "]


def texts(rng: Rng, task: Task, sample: Sample) -> str:
    """A random completion: a quarter each near the truth, by guess, damaged, and broken."""
    kind = rng.integers(4)
    if kind == 0:
        return NEAR[task.name](rng, sample.answer)
    guess = task.write(task.guess(sample, rng))
    if kind == 1:
        return guess
    if kind == 2:
        place, alphabet = int(rng.integers(len(guess) + 1)), list("0123456789.,- \nx")
        return guess[:place] + str(rng.choice(alphabet)) + guess[place + rng.integers(2) :]
    return str(rng.choice(np.array(BROKEN, dtype=object)))


@pytest.mark.parametrize("name", FORMULAS)
def test_rewards_are_the_published_ones(name: str) -> None:
    assert name in TASKS
    hard: dict[str, dict[str, Json]] = {
        "jigsaw": {"num_clips": 8},
        "counting": {"max_frames": 4, "max_instances": 4},
    }
    tasks = [build(name, "paper"), build(name, "paper", hard.get(name))]
    rng = np.random.default_rng(0)
    video = a_video(num_frames=480)
    samples = [
        (task, made)
        for task in tasks
        for _ in range(50)
        if isinstance(made := task.synthesize(video, rng, lambda n: []), Sample)
    ]
    assert len(samples) == 100
    earned = []
    for i in range(ANSWERS):
        task, sample = samples[i % 100]
        text = texts(rng, task, sample)
        reward = task.score(sample, text)
        assert reward.total == pytest.approx(FORMULAS[name](text, sample.answer), abs=1e-8), text
        earned.append(reward.total)
    # All sorts of answers were among them.
    assert min(earned) == 0 and max(earned) == 1 and len(set(np.round(earned, 3))) > 15


@pytest.mark.parametrize(
    ("name", "text", "truth", "expected"),
    [
        # [1, 4] and [3, 9]: overlap 1, union 8.
        ("anomaly", "1-4", [3.0, 9.0], 1 / 8),
        # 1 - 1/4, 1, and max(0, 1 - 3/2).
        ("counting", "3,1,5", [4, 1, 2], 1.75 / 3),
        # Clips 1 to 6 are off by 5, 3, 1, 1, 3, 5, of 18 at most; two neighbours swapped: 2.
        ("jigsaw", "654321", [1, 2, 3, 4, 5, 6], 0),
        ("jigsaw", "213456", [1, 2, 3, 4, 5, 6], 1 - 2 / 18),
    ],
)
def test_the_formulas_by_hand(name: str, text: str, truth: Json, expected: float) -> None:
    assert FORMULAS[name](text, truth) == pytest.approx(expected, abs=1e-8)
