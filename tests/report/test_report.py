from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmarks.answered import Says, answered, knows
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.report.build import build
from kuleshov.report.compared import labelled
from kuleshov.report.curves import chart, curves
from kuleshov.report.gallery import Pick, gallery, thumbnail
from kuleshov.report.settings import settings
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import task_of

HOSTILE = "<script>alert(1)</script> & <b>"


class Checker(HTMLParser):
    """Collects the tags of a page and fails on one that is closed without being open."""

    VOID = ("meta", "img", "line", "polyline", "br", "circle", "rect")

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


def cells(page: str, task: str) -> list[str]:
    """The cells of the first row of a task."""
    row = page[page.index(f'<th scope="row">{task}</th>') :].split("</tr>")[0]
    return [re.sub(r"<.*?>|\s+", " ", cell).strip() for cell in row.split("<td>")[1:]]


def always(right: bool) -> Says:
    """A model that always says the truth, or never says anything."""

    def says(sample: Sample, condition: str) -> str:
        return task_of(sample).completion(sample.answer) if right else HOSTILE

    return says


@pytest.fixture
def data(short_clips: Path, tmp_path: Path) -> Path:
    make(
        short_clips,
        tmp_path / "data",
        MakeConfig(workers=0, tasks={"anomaly": {}, "jigsaw": {}}, held_out=1),
    )
    return tmp_path / "data"


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
        answered(tmp_path / "before", data, always(False), ("full", "blind")),
        trained(tmp_path / "train"),
        answered(tmp_path / "after", data, always(True), ("full", "blind")),
    ]
    build(runs, tmp_path / "page.html", sheets=0)
    return (tmp_path / "page.html").read_text()


def test_the_page_is_well_formed_and_needs_nothing_but_its_own_folder(page: str) -> None:
    checker = checked(page)
    outside = [source for source in checker.sources if not source.startswith("#")]
    assert outside == ["page_files/data.js"]
    assert "http" not in page and "@import" not in page and "url(/" not in page


def test_the_table_shows_scores_difference_interval_p_and_n(page: str) -> None:
    # 12 videos that all gain 1: the interval is Wilson's, see test_compare.py. p: all of 12
    # videos gained, 2 of 2^12; with anomaly, which did as well, twice that.
    before, after, difference, interval, p, items, videos = cells(page, "jigsaw")
    assert (before, after, difference, items, videos) == ("0.000", "1.000", "+1.000", "12", "12")
    assert interval.endswith("to +1.000") and 0 < float(interval.split()[0]) < 1
    assert p == "0.00098"
    assert "1 training seed: the interval covers other videos" in page


def test_the_floors_stand_beside_the_score(page: str) -> None:
    row = cells(page[page.index("<h2>Floors") :], "jigsaw")
    chance, random, majority, constant, learned, blind, score, above, failed, failed_after, seen = (
        row
    )
    assert all(0 <= float(cell) < 1 for cell in (chance, random, majority, constant, learned))
    assert (blind, score, above) == ("1.000", "1.000", "+100 %")
    assert (failed, failed_after, seen) == ("100.0 %", "0.0 %", "not known")


def test_few_videos_get_words_instead_of_an_interval(data: Path, tmp_path: Path) -> None:
    runs = [answered(tmp_path / name, data, always(True), ("full",)) for name in ("a", "b")]
    for run in runs:
        path = run / "results.jsonl"
        path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:4]))
    build(runs, tmp_path / "page.html", sheets=0)
    text = (tmp_path / "page.html").read_text()
    assert "too few for an interval" in text and "too few videos" in cells(text, "anomaly")


def test_one_run_alone_is_shown_without_a_comparison(data: Path, tmp_path: Path) -> None:
    run = answered(tmp_path / "a", data, knows(0.5))
    build([run], tmp_path / "site", sheets=0)
    text = (tmp_path / "site" / "index.html").read_text()
    checked(text)
    score, interval, *counts = cells(text, "jigsaw")
    low, _, high = interval.split()
    assert float(low) < float(score) < float(high) and counts == ["12", "12"]
    assert "difference" not in text.split("<script>")[0].lower().split("</style>")[1]
    figures = json.loads((tmp_path / "site" / "report.json").read_text())["sets"][0]["tasks"]
    assert "before" not in figures["jigsaw"] and figures["jigsaw"]["n"] == 12


def test_more_runs_are_training_seeds_of_one_model(data: Path, tmp_path: Path) -> None:
    base, *seeds = (answered(tmp_path / str(i), data, knows(0.3 * i, i)) for i in range(3))
    rows = labelled(build([base, *seeds], tmp_path / "site", sheets=0))
    assert {row.seeds for row in rows.values()} == {2}
    alone = [
        labelled(build([base, s], tmp_path / f"{s.name}.html", sheets=0))["jigsaw"] for s in seeds
    ]
    assert rows["jigsaw"].after == pytest.approx(sum(row.after for row in alone) / 2)
    text = (tmp_path / "site" / "index.html").read_text()
    assert "the mean of 2 runs, taken as training seeds" in text


def test_several_sample_sets_share_a_page_and_a_correction(
    data: Path, short_clips: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    make(short_clips, other, MakeConfig(workers=0, tasks={"arrow": {}}, held_out=1))
    # The same two models, whose names are those of their run folders.
    runs = [
        answered(tmp_path / where.name / "runs" / name, where, always(right), ("full",))
        for where in (data, other)
        for name, right in (("base", False), ("trained", True))
    ]
    rows = labelled(build(runs, tmp_path / "site", sheets=0))
    assert list(rows) == ["data: anomaly", "data: jigsaw", "other: arrow"]
    # Three rows of the same p: Holm's first factor for all of them.
    assert {round(row.p_holm / row.p, 6) for row in rows.values()} == {3.0}
    with pytest.raises(UsageError, match="different models"):
        build([runs[0], runs[3]], tmp_path / "site")


def test_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs an evaluation"):
        build([trained(tmp_path / "train")], tmp_path / "page.html")
    with pytest.raises(UsageError, match="is no run folder"):
        build([tmp_path / "nothing"], tmp_path / "page.html")


def test_another_page_is_not_written_over(data: Path, tmp_path: Path) -> None:
    run = answered(tmp_path / "a", data, always(True), ("full",))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds another page"):
        build([run], tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "mine"


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


def test_large_values_fit_beside_the_axis() -> None:
    drawn = chart("tokens per second", {1: 3012.0, 2: 13_043.2})
    assert [label for _, label in drawn.y_ticks] == ["0", "6.52k", "13k"]


def test_a_single_point_is_a_chart_too() -> None:
    assert chart("t", {1: 0.5}).raw


def test_small_frames_are_shown_without_loss() -> None:
    small = np.zeros((56, 56, 3), np.uint8)
    large = np.zeros((256, 256, 3), np.uint8)
    assert thumbnail(small).startswith("data:image/png;base64,")
    assert thumbnail(large).startswith("data:image/jpeg;base64,")


def test_a_gallery_shows_every_frame_with_both_times(data: Path, short_clips: Path) -> None:
    sample = min((s for s in load_samples(data) if s.task == "anomaly"), key=lambda s: s.id)
    body = gallery(
        [Pick(replace(sample, prompt=f"{HOSTILE}{sample.prompt}"), "")], short_clips
    ).body
    assert body.count("<img") == 48 and HOSTILE not in body
    for frame in sample.media[0].frames:
        assert f"{frame.source_seconds:.2f} s<br>told {frame.shown_seconds:.2f} s" in body
    edit = sample.media[0].edits[0]
    assert body.count('class="edited"') == edit["stop"] - edit["start"]
    assert f"{HOSTILE}{sample.prompt}" in unescape(body)


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


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_settings_of_a_run_that_were_harmed_are_named(
    content: bytes | None, tmp_path: Path
) -> None:
    (tmp_path / "environment.json").write_text('{"model": "m", "versions": {}}')
    if content is not None:
        (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=r"config\.yaml (cannot be read|is no text).*put it back"):
        settings([tmp_path])
