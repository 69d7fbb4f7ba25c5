from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.results import Result, append_results
from kuleshov.report.build import build
from kuleshov.report.curves import chart, curves
from kuleshov.report.gallery import Pick, choose, gallery, thumbnail
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make

HOSTILE = "<script>alert(1)</script> & <b>"


class Checker(HTMLParser):
    """Collects the tags of a page and fails on one that is closed without being open."""

    VOID = ("meta", "img", "line", "polyline", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker


@pytest.fixture
def data(short_clips: Path, tmp_path: Path) -> Path:
    make(
        short_clips,
        tmp_path / "data",
        MakeConfig(workers=0, tasks={"anomaly": {}, "jigsaw": {}}, held_out=1),
    )
    return tmp_path / "data"


def evaluated(folder: Path, data: Path, score: float) -> Path:
    folder.mkdir()
    record: dict[str, Any] = {"data": str(data), "samples": "same", "model": "m"}
    record |= {"temperature": 1.0, "versions": {"python": "3"}}
    (folder / "environment.json").write_text(json.dumps(record))
    (folder / "config.yaml").write_text("batch_size: 1\n")
    append_results(
        folder,
        [
            Result(s.id, s.task, s.video_ids[0], condition, 0, HOSTILE, None, score, 48, 9)
            for s in load_samples(data)
            for condition in ("full", "blind")
        ],
    )
    return folder


def trained(folder: Path) -> Path:
    folder.mkdir()
    record = {"model": "m", "samples": "same", "versions": {"python": "3"}}
    (folder / "environment.json").write_text(json.dumps(record))
    (folder / "config.yaml").write_text("seed: 0\n")
    lines = [
        {"phase": "sft", "step": 1, "loss": 2.0},
        {"phase": "grpo", "step": 1, "reward": 0.25, "frac_reward_zero_std": 0.5},
        {"phase": "grpo", "step": 2, "reward": 0.75, "task/jigsaw": 0.5},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def page(data: Path, tmp_path: Path) -> str:
    runs = [
        evaluated(tmp_path / "before", data, 0.25),
        trained(tmp_path / "train"),
        evaluated(tmp_path / "after", data, 0.75),
    ]
    build(runs, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text()


def test_the_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    checker = checked(page)
    assert checker.sources and all(source.startswith("data:image/") for source in checker.sources)
    assert "script" not in checker.tags
    assert "http" not in re.sub(r"data:[^\"]*", "", page)


def test_model_text_is_escaped(page: str) -> None:
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in page


def test_the_table_shows_scores_floors_difference_and_failures(page: str) -> None:
    row = page[page.index("<td>jigsaw</td>") :]
    cells = [re.sub(r"<.*?>|\s+", " ", c).strip() for c in row.split("<td>")[2:13]]
    items, videos, _, _, blind, before, after, difference, interval, _, failed = cells
    assert (items, videos) == ("12", "12")
    assert (blind, before, after, difference) == ("0.750", "0.250", "0.750", "+0.500")
    # 12 videos that all gain 0.5: see test_compare.py.
    assert interval == "+0.136 to +0.621"
    assert failed == "100.0 %"


def test_the_table_shows_floors_p_values_and_what_was_not_run(page: str) -> None:
    row = page[page.index("<td>jigsaw</td>") :].split("</tr>")[0]
    cells = [re.sub(r"<.*?>|\s+", " ", c).strip() for c in row.split("<td>")[14:]]
    # All of 12 videos gained: 2 of 2^12; with anomaly, which did as well, twice that.
    assert cells[:3] == ["0.00049", "0.00098", "not known"]
    assert all(0 <= float(cell) <= 1 for cell in cells[3:5])
    assert cells[5:] == ["not run", "not run", "not run"]
    assert "1 training seed: the interval covers other videos" in page


def test_the_gallery_shows_every_frame_with_both_times(page: str, data: Path) -> None:
    sample = min((s for s in load_samples(data) if s.task == "anomaly"), key=lambda s: s.id)
    article = page[page.index(sample.id) :].split("</article>")[0]
    assert article.count("<img") == 48
    for frame in sample.media[0].frames:
        assert f"{frame.source_seconds:.2f} s<br>told {frame.shown_seconds:.2f} s" in article
    edit = sample.media[0].edits[0]
    assert article.count('class="edited"') == edit["stop"] - edit["start"]
    assert sample.prompt.split("<video>\n")[1] in unescape(article)


def test_few_videos_get_words_instead_of_an_interval(data: Path, tmp_path: Path) -> None:
    runs = [evaluated(tmp_path / name, data, 0.5) for name in ("a", "b")]
    for run in runs:
        path = run / "results.jsonl"
        path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:4]))
    build(runs, tmp_path / "page.html")
    assert "too few for an interval" in (tmp_path / "page.html").read_text()


def test_one_evaluation_is_no_comparison(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compares two evaluations, got 1"):
        build([evaluated(tmp_path / "a", data, 0.5)], tmp_path / "page.html")
    with pytest.raises(UsageError, match="is no run folder"):
        build([tmp_path / "nothing"], tmp_path / "page.html")


def test_curves_take_a_repeated_step_once_and_name_tasks(tmp_path: Path) -> None:
    run = trained(tmp_path / "train")
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"phase": "grpo", "step": 2, "reward": 0.5}) + "\n")
    section = curves(run)
    assert section is not None
    assert "GRPO: reward of jigsaw" in section.body
    checked(section.body)
    assert curves(tmp_path) is None


def test_a_chart_puts_points_where_they_belong() -> None:
    # Steps 1 and 3 at the left and right edge, the lowest value at the bottom.
    drawn = chart("t", {1: 0.0, 2: 1.0, 3: 0.5})
    points = [[float(value) for value in point.split(",")] for point in drawn.raw.split()]
    assert points[0] == [40, 156]
    assert points[1] == [(40 + 332) / 2, 10]
    assert points[2][0] == 332
    assert points[2][1] == (156 + 10) / 2
    assert [label for _, label in drawn.y_ticks] == ["0", "0.5", "1"]


def test_a_single_point_is_a_chart_too() -> None:
    assert chart("t", {1: 0.5}).raw


def test_small_frames_are_shown_without_loss() -> None:
    small = np.zeros((56, 56, 3), np.uint8)
    large = np.zeros((256, 256, 3), np.uint8)
    assert thumbnail(small).startswith("data:image/png;base64,")
    assert thumbnail(large).startswith("data:image/jpeg;base64,")


def test_picks_say_why_they_were_picked(data: Path) -> None:
    samples = [s for s in load_samples(data) if s.task == "jigsaw"]
    names = ("before", "after")

    def results(scores: list[float]) -> dict[str, Result]:
        made = Result("", "jigsaw", "v", "full", 0, "x", None, 0.0, 1, 1)
        return {
            s.id: replace(made, sample=s.id, score=score)
            for s, score in zip(samples, scores, strict=True)
        }

    before = results([0.5] * len(samples))
    after = results([0.9, 0.1] + [0.5] * (len(samples) - 2))
    picks = choose(samples, before, after, names)
    assert [pick.why for pick in picks[:2]] == ["largest gain", "largest loss"]
    assert [pick.sample for pick in picks[:2]] == samples[:2]
    assert len({pick.sample.id for pick in picks}) == len(picks)
    # Where nothing was lost, nothing is shown as a loss.
    assert not [p for p in choose(samples, before, before, names) if p.why.startswith("largest")]


def test_a_gallery_without_answers_shows_the_truth(data: Path, short_clips: Path) -> None:
    sample: Sample = next(s for s in load_samples(data) if s.task == "jigsaw")
    body = gallery([Pick(sample, "train")], short_clips).body
    checked(body)
    assert "".join(map(str, sample.answer)) in body and body.count("<img") == 48


def test_the_gallery_calls_an_image_an_image(short_clips: Path, tmp_path: Path) -> None:
    knobs = {"fps": 4.0, "max_similarity": 0.9999, "stills": "image"}
    make(short_clips, tmp_path, MakeConfig(workers=0, tasks={"masked": knobs}))
    sample = load_samples(tmp_path)[0]
    body = gallery([Pick(sample, "train")], short_clips).body
    checked(body)
    labels = re.findall(r'<p class="label">(&lt;.*?)</p>', body)
    assert [unescape(label) for label in labels] == [
        "<video> 1",
        *(f"<image> {number}" for number in range(2, 8)),
    ]
    assert body.count("<img") == len(sample.media[0].frames) + 6
