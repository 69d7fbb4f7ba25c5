from __future__ import annotations

from dataclasses import replace

import pytest

from kuleshov.evaluate.metrics import METRICS, figures, metric_of, scores_of, shapes_exact
from kuleshov.evaluate.results import Result
from kuleshov.sample import Json, MediaItem, Sample
from kuleshov.tasks import TASKS, score
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.task import Task
from tests.audit.samples import a_sample


def scores(task: Task, truth: Json, completion: str) -> dict[str, float]:
    sample = replace(a_sample(task), answer=truth)
    return scores_of(sample, score(sample, completion))


def test_viubench_counts_exact_shapes() -> None:
    # 3 of 4 and 5 of 2 are wrong, 1 of 1 is right.
    assert shapes_exact([3, 1, 5], [4, 1, 2]) == pytest.approx(1 / 3)
    assert scores(Counting.paper(), [4, 1, 2], "3,1,5") == pytest.approx(
        {"circle": 0.75, "square": 1, "triangle": 0, "shapes_exact": 1 / 3}
    )


def test_viubench_takes_the_iou_of_intervals_and_exact_orders() -> None:
    # Overlap 1 of a union of 4.
    assert scores(Anomaly.paper(), [1.0, 4.0], "0-2")["iou"] == 0.25
    assert scores(Jigsaw.paper(), [2, 1, 3, 4, 5, 6], "213456")["exact"] == 1
    assert scores(Jigsaw.paper(), [2, 1, 3, 4, 5, 6], "123456")["exact"] == 0


@pytest.mark.parametrize("reward", ["smooth", "strict"])
def test_a_metric_does_not_depend_on_the_reward(reward: str) -> None:
    anomaly, counting = Anomaly(reward=reward), Counting(reward=reward)  # type: ignore[arg-type]
    assert scores(anomaly, [1.0, 4.0], "<answer>0-2</answer>")["iou"] == 0.25
    assert scores(counting, [4, 1, 2], "<answer>4,1,9</answer>")["shapes_exact"] == 2 / 3


ANSWERS = {"anomaly": [1.0, 4.5], "counting": [3, 1, 4], "jigsaw": [2, 1, 4, 3, 6, 5]}
ANSWERS["masked"] = [3, 1, 5]


@pytest.mark.parametrize("name", METRICS)
def test_no_answer_earns_0_and_the_true_one_1(name: str) -> None:
    task = TASKS[name]()
    media = (MediaItem((), 8, 8),) * 7  # as many as masked may be asked about
    sample = Sample("s", name, ("v",), "held_out", media, "", ANSWERS[name], "tagged", task.knobs(),
                    0, 0.1)  # fmt: skip
    assert scores_of(sample, score(sample, "no idea"))[metric_of(name)] == 0
    right = score(sample, task.completion(sample.answer))
    assert scores_of(sample, right)[metric_of(name)] == 1


def test_a_task_without_a_metric_is_reported_by_its_reward() -> None:
    sample = a_sample(TASKS["arrow"]())
    reward = score(sample, TASKS["arrow"]().completion(sample.answer))
    assert metric_of("arrow") == "reward" and scores_of(sample, reward) == reward.parts


def row(entry: str, name: str, value: float, condition: str = "full") -> tuple[Sample, Result]:
    task = {"count": "counting", "jig": "jigsaw", "arrow": "arrow"}[entry.split("_")[0]]
    sample = replace(a_sample(TASKS[task]()), id=f"{entry}{name}", provenance={"entry": entry})
    result = Result(sample.id, entry, "v", condition, 0, "", None, 0.125, 8, 9)
    return sample, replace(result, scores={metric_of(task): value})


def test_a_table_is_of_unweighted_means_as_in_the_paper() -> None:
    rows = [
        row("count_easy", "1", 1.0),
        row("count_easy", "2", 0.0),
        row("count_easy", "3", 0.5),
        row("count_hard", "1", 0.0),
        row("jig_easy", "1", 1.0),
        row("arrow", "1", 1.0),
        row("jig_easy", "1", 0.0, "blind"),
    ]
    samples, results = zip(*rows, strict=True)
    # count_easy 0.5 of 3, count_hard 0 of 1: counting (0.5 + 0) / 2, whatever their sizes. The
    # reward of arrow is 0.125. Overall (0.125 + 0.5 + 0 + 1) / 4 = 0.40625.
    assert [tuple(figure) for figure in figures(results, samples)] == [
        ("arrow", "reward", 0.125, 1),
        ("count_easy", "shapes_exact", 0.5, 3),
        ("count_hard", "shapes_exact", 0.0, 1),
        ("counting", "shapes_exact", 0.25, 4),
        ("jig_easy", "exact", 1.0, 1),
        ("overall", "mean of subtypes", 0.40625, 6),
    ]
    assert [f.value for f in figures(results, samples, "blind")] == [0.0]
    assert figures([], samples) == []
