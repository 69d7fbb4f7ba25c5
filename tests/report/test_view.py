from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.view import browser, large_set, opened
from kuleshov import dataset
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.media import render, without_edits
from kuleshov.pairs import marked
from kuleshov.report import sheets
from kuleshov.report.entries import entry
from kuleshov.report.view import Viewed, view
from kuleshov.sample import Frame, MediaItem, Sample, Skip
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import task_of

TASKS = {"anomaly": {}, "counting": {}, "jigsaw": {}, "masked": {"max_similarity": 0.999}}
HOSTILE = "</script><b id=hostile>x</b><img src=x onerror=alert(1)>"
RED, GREY, WHITE = (217, 45, 32), (128, 128, 128), (255, 255, 255)

in_a_browser = pytest.mark.skipif(browser() is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def made(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    make(clips, out, MakeConfig(tasks=TASKS, held_out=0.5))
    return out


@pytest.fixture(scope="module")
def samples(made: Path) -> list[Sample]:
    return load_samples(made)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Viewed:
    """The page of 10,000 samples and 1,000 skips."""
    data = large_set(tmp_path_factory.mktemp("many"), 10_000, videos=3, per_video=1)
    return view(data, data / "view", count=1)


def a_set(out: Path, clips: Path, results: Sequence[Sample | Skip]) -> Path:
    dataset.write(out, results, {"videos": str(clips)})
    return out


def of_task(samples: list[Sample], task: str) -> Sample:
    return next(sample for sample in samples if sample.task == task)


def the_data(folder: Path) -> dict[str, Any]:
    text = (folder / "data.js").read_text()
    loaded: dict[str, Any] = json.loads(text.removeprefix("data(").removesuffix(");\n"))
    return loaded


def the_details(folder: Path, number: int = 0) -> dict[str, Any]:
    text = (folder / "details" / f"{number:03}.js").read_text()
    _, loaded = json.loads(f"[{text.removeprefix('details(').removesuffix(');' + chr(10))}]")
    assert isinstance(loaded, dict)
    return loaded


def states(folder: Path) -> dict[str, str]:
    """For each id, what the page says of its sheet."""
    data = the_data(folder)
    columns = data["samples"]
    return {id: data["sheets"][n] for id, n in zip(columns[0], columns[6], strict=True)}


def files(folder: Path) -> dict[str, int]:
    """The sheets, with when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "sheets").iterdir()}


def picture(sample: Sample, clips: Path, sheet: sheets.Sheet, edits: bool = True) -> Image.Image:
    shown = sample if edits else without_edits(sample)
    marks = marked(sample)
    drawn = sheets.drawn(sheet, render(shown, clips), sheets.labels(sample), marks)
    return Image.open(io.BytesIO(drawn))


def near(picture: Image.Image, x: int, y: int, colour: tuple[int, int, int]) -> bool:
    got = np.array(picture.getpixel((x, y)), int)
    return bool(np.abs(got - colour).max() < 40)


def middle(box: tuple[int, int, int, int]) -> tuple[int, int]:
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


# ---- the sheets


def test_frames_lie_in_rows_and_short_media_items_beside_each_other() -> None:
    # 96 x 192 frames take 198 pixels with their gap, so 6 fit into 1328 - 6: 8 are 2 rows of 4.
    # 2 more of 96 x 96 take 2 * 102 and fit beside them, 14 (13 fit) make 2 rows of 7 below.
    def item(frames: int, height: int, width: int) -> MediaItem:
        return MediaItem((Frame("v", 0.0, 0.0),) * frames, height, width)

    sample = replace(
        Sample("", "", ("v",), "train", (), "", None, "tagged", {}, 0, 0.0),
        media=(item(8, 192, 384), item(2, 96, 96), item(14, 192, 192)),
    )
    sheet = sheets.as_shown(sample)
    assert [(b.x, b.y, b.columns, b.width, b.height) for b in sheet.blocks] == [
        (6, 28, 4, 192, 96),  # 6 for the edge, 22 for the label
        (6 + 4 * 198 + 12, 28, 2, 96, 96),
        (6, 28 + 2 * 102 + 22, 7, 96, 96),
    ]
    assert (sheet.width, sheet.height) == (6 + 4 * 198 + 12 + 2 * 102, 28 + 4 * 102 + 22)
    assert sheet.blocks[0].box(5) == (6 + 198, 28 + 102, 6 + 198 + 192, 28 + 102 + 96)


def test_shuffled_clips_lie_in_their_true_order_on_the_second_sheet(samples: list[Sample]) -> None:
    sample = of_task(samples, "jigsaw")
    sheet = sheets.as_in_video(sample)
    assert sheet is not None
    assert [block.item for block in sheet.blocks] == [clip - 1 for clip in sample.answer]
    assert [block.item for block in sheets.as_shown(sample).blocks] == list(range(6))


def test_frames_in_reverse_are_turned_back_and_those_in_order_need_no_second_sheet(
    samples: list[Sample],
) -> None:
    (item,) = of_task(samples, "anomaly").media
    plain = replace(of_task(samples, "anomaly"), media=(replace(item, edits=()),))
    assert sheets.as_in_video(plain) is None
    turned = replace(plain, media=(replace(item, frames=item.frames[::-1], edits=()),))
    sheet = sheets.as_in_video(turned)
    assert sheet is not None and sheet.blocks[0].frames == tuple(range(47, -1, -1))


def test_the_second_sheet_shows_the_hidden_segment(samples: list[Sample], clips: Path) -> None:
    sample = of_task(samples, "masked")
    edit = sample.media[0].edits[0]
    shown, second = sheets.as_shown(sample), sheets.as_in_video(sample)
    assert second is not None and edit["edit"] == "grey"
    hidden = [shown.blocks[0].box(place) for place in range(edit["start"], edit["stop"])]
    grey, seen = picture(sample, clips, shown), picture(sample, clips, second, edits=False)
    assert second.blocks[0] == shown.blocks[0]
    for box in hidden:
        inner = (box[0] + 4, box[1] + 4, box[2] - 4, box[3] - 4)
        assert np.abs(np.asarray(grey.crop(inner), int) - GREY).max() < 10
        assert np.asarray(seen.crop(inner)).std() > 10


@pytest.mark.parametrize("task", ["anomaly", "counting"])
def test_what_is_asked_for_is_framed_in_red(task: str, samples: list[Sample], clips: Path) -> None:
    sample = of_task(samples, task)
    drawn = picture(sample, clips, sheets.as_shown(sample))
    (block,) = sheets.as_shown(sample).blocks
    edited = {i for e in sample.media[0].edits for i in range(e["start"], e["stop"])}
    for place in range(48):
        left, top, right, bottom = block.box(place)
        beside = [(left - 2, top + 48), (right + 1, top + 48), (left + 48, top - 2)]
        for x, y in [*beside, (left + 48, bottom + 1)]:
            assert near(drawn, x, y, RED if place in edited else WHITE)


def test_the_right_candidates_are_marked_and_pairs_of_clips_are_not(samples: list[Sample]) -> None:
    masked, jigsaw = of_task(samples, "masked"), of_task(samples, "jigsaw")
    assert {item for item, _ in marked(masked)} == set(masked.answer)
    assert marked(jigsaw) == []


def test_media_items_are_called_what_the_prompt_calls_them(samples: list[Sample]) -> None:
    numbers = range(1, 7)
    assert sheets.labels(of_task(samples, "jigsaw")) == [f"Clip {i}" for i in numbers]
    candidates = [f"Candidate {i}" for i in numbers]
    assert sheets.labels(of_task(samples, "masked")) == ["<video> 1", *candidates]
    strange = replace(of_task(samples, "jigsaw"), prompt="no place for media")
    assert sheets.labels(strange) == [f"<video> {i}" for i in numbers]


# ---- the page


def test_the_first_samples_of_each_task_by_id_have_sheets(
    made: Path, samples: list[Sample], tmp_path: Path
) -> None:
    viewed = view(made, tmp_path, count=2)
    first = {
        sample.id
        for task in TASKS
        for sample in sorted((s for s in samples if s.task == task), key=lambda s: s.id)[:2]
    }
    assert {id for id, state in states(tmp_path).items() if state == "drawn"} == first
    assert (viewed.sheets, viewed.samples, viewed.failed) == (8, len(samples), 0)
    assert set(states(tmp_path).values()) == {"drawn", ""}


def test_samples_that_show_the_same_have_one_sheet_that_is_drawn_once(
    samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    twins = [replace(samples[0], id=f"twin-{i}") for i in range(3)]
    told: list[tuple[str, int, int]] = []
    data = a_set(tmp_path / "set", clips, twins)
    view(data, tmp_path / "page", workers=0, progress=lambda *now: told.append(now))
    assert max(now for now in told if now[0] == "drawing sheets") == ("drawing sheets", 1, 1)
    assert set(states(tmp_path / "page").values()) == {"drawn"}


def test_the_page_tells_all_of_a_sample(made: Path, samples: list[Sample], tmp_path: Path) -> None:
    view(made, tmp_path, count=0)
    data, details = the_data(tmp_path), the_details(tmp_path)
    by_id = {sample.id: sample for sample in samples}
    assert sorted(data["samples"][0]) == sorted(by_id)
    for row, told in zip(zip(*data["samples"], strict=True), details["samples"], strict=True):
        sample = by_id[row[0]]
        assert data["tasks"][row[1]] == sample.task and data["splits"][row[2]] == sample.split
        assert data["paths"][row[3]] == sample.provenance["videos"][0]["path"]
        assert data["knobs"][row[4]] == sample.knobs
        assert data["edits"][row[5]] == sorted({e["edit"] for m in sample.media for e in m.edits})
        assert details["prompts"][told["prompt"]] == sample.prompt
        assert told["answer"] == task_of(sample).write(sample.answer)
        assert told["chance"] == pytest.approx(sample.chance, abs=1e-4)
        for item, shown in zip(sample.media, told["media"], strict=True):
            assert shown["source"] == [frame.source_seconds for frame in item.frames]
            assert shown["told"] == [frame.shown_seconds for frame in item.frames]
            assert shown["edits"] == list(item.edits)


def test_marks_are_told_as_runs_of_frames(samples: list[Sample]) -> None:
    sample = of_task(samples, "anomaly")
    edit = sample.media[0].edits[0]
    assert json.loads(entry(sample).details)["marks"] == [[0, edit["start"], edit["stop"]]]


def test_skips_are_counted_by_reason_without_their_figures(clips: Path, tmp_path: Path) -> None:
    skips = [Skip(f"{i}.mp4", f"{i}.50 s long, needs 7 s", "masked") for i in range(3)]
    view(a_set(tmp_path, clips, [*skips, Skip("a", "duplicate of b/1.mp4")]), tmp_path / "view")
    data = the_data(tmp_path / "view")
    assert data["reasons"] == ["… s long, needs … s", "duplicate of …"]
    assert [(task, reason, kind) for _, task, reason, kind in data["skips"]] == [
        ("masked", "0.50 s long, needs 7 s", 0),
        ("masked", "1.50 s long, needs 7 s", 0),
        ("masked", "2.50 s long, needs 7 s", 0),
        ("", "duplicate of b/1.mp4", 1),
    ]


def test_started_again_it_draws_what_is_missing_and_nothing_else(
    made: Path, tmp_path: Path
) -> None:
    view(made, tmp_path, count=1)
    before = files(tmp_path)
    gone = min(name for name in before if name.endswith("-0.jpg"))
    (tmp_path / "sheets" / gone).unlink()
    assert view(made, tmp_path, count=1).sheets == 4
    after = files(tmp_path)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {gone, gone[:-5] + "1.jpg"}
    # Sheets that were not asked for this time stay, and are shown.
    assert view(made, tmp_path, count=0).sheets == 4
    assert files(tmp_path) == after


def test_the_number_of_workers_changes_no_byte(made: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        view(made, tmp_path / str(workers), count=1, workers=workers)
    contents = [
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "0", tmp_path / "2")
    ]
    assert contents[0] == contents[1]


def test_a_video_that_is_gone_gives_the_reason_in_place_of_a_sheet(
    samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    sample = of_task(samples, "jigsaw")
    gone = {**sample.provenance, "videos": [{"id": sample.video_ids[0], "path": "gone.mp4"}]}
    outside = {**gone, "videos": [{"id": sample.video_ids[0], "path": "../gone.mp4"}]}
    kinds = [("a", sample.provenance), ("b", gone), ("c", outside)]
    wrong = [replace(sample, id=id, provenance=provenance) for id, provenance in kinds]
    viewed = view(a_set(tmp_path, clips, wrong), tmp_path / "view")
    assert (viewed.sheets, viewed.failed) == (1, 2)
    state = states(tmp_path / "view")
    assert state["a"] == "drawn"
    assert "gone.mp4" in state["b"] and "lies outside of" in state["c"]


def test_what_shows_nothing_or_is_of_no_known_task_is_shown_too(
    samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    sample = of_task(samples, "anomaly")
    text = replace(sample, id="a", media=(), task="future", answer={"is": 1})
    future = replace(sample, id="b", task="future")
    viewed = view(a_set(tmp_path, clips, [text, future]), tmp_path / "view")
    assert states(tmp_path / "view") == {"a": "nothing", "b": "drawn"}
    told = the_details(tmp_path / "view")["samples"]
    assert viewed.failed == 0 and told[0]["answer"] == '{"is":1}' and told[1]["marks"] == []


def test_what_belonged_to_another_set_is_removed(
    made: Path, samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    view(made, tmp_path / "view", count=1)
    (tmp_path / "view" / "details" / "001.js").write_text("")
    one = of_task(samples, "jigsaw")
    view(a_set(tmp_path / "one", clips, [one]), tmp_path / "view")
    assert len(files(tmp_path / "view")) == 2
    assert os.listdir(tmp_path / "view" / "details") == ["000.js"]


def test_another_page_is_not_written_over(made: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds another page"):
        view(made, tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def hostile_set(samples: list[Sample], clips: Path, out: Path) -> Path:
    sample = of_task(samples, "anomaly")
    videos = [{"id": sample.video_ids[0], "path": HOSTILE}]
    bad = replace(sample, id=HOSTILE, prompt=HOSTILE, provenance={"videos": videos})
    other = [{"id": sample.video_ids[0], "path": "\u00fc\u2028\U0001f3ac\udcff.mp4"}]
    unreadable = replace(bad, id="1", provenance={"videos": other})
    return a_set(out, clips, [bad, unreadable, Skip(HOSTILE, HOSTILE, "anomaly")])


def test_nothing_of_a_set_can_end_a_script(
    samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    sample = of_task(samples, "anomaly")
    data = a_set(tmp_path / HOSTILE[:9].replace("/", "&"), clips, [replace(sample, prompt=HOSTILE)])
    view(data, tmp_path / "view", count=0)
    for name in ("data.js", "details/000.js"):
        assert "</" not in (tmp_path / "view" / name).read_text()
    assert the_details(tmp_path / "view")["prompts"] == [HOSTILE]
    page = (tmp_path / "view" / "index.html").read_text()
    assert "<title>Samples in &lt;&amp;script&gt;</title>" in page


@pytest.mark.slow
def test_the_page_of_10_000_samples_is_light(many: Viewed) -> None:
    folder = many.page.parent
    data = the_data(folder)
    assert (many.samples, many.skips) == (10_000, 1_000)
    assert len(data["samples"][0]) == len(set(data["samples"][0])) == 10_000
    # What is read before the first list is there, and then for each 200 samples that are looked at.
    details = sorted((folder / "details").iterdir())
    assert sum((folder / name).stat().st_size for name in ("index.html", "data.js")) < 1e6
    assert len(details) == 50 and max(path.stat().st_size for path in details) < 1e6
    assert "src=" not in (folder / "index.html").read_text().replace('src="data.js"', "")


@pytest.mark.slow
@in_a_browser
def test_a_browser_shows_10_000_samples_page_by_page(many: Viewed) -> None:
    first = opened(many.page)
    assert first.console == [] and 'data-shown="10000"' in first.dom
    drawn = list(states(many.page.parent).values())[:25].count("drawn")
    # Those of `anomaly`, which come first, have two sheets each.
    assert first.dom.count("<article") == 25 and first.dom.count("<img") == 2 * drawn > 0
    last = opened(many.page, "page=400")
    assert last.console == [] and 'id="sample-9999"' in last.dom
    skips = opened(many.page, "show=skips")
    assert skips.console == [] and 'data-shown="1000"' in skips.dom
    assert skips.dom.count("<tr") == 2 + 1 + 200  # two heads, one reason, the first 200


@in_a_browser
def test_filters_leave_what_they_name(made: Path, samples: list[Sample], tmp_path: Path) -> None:
    changed = [
        replace(sample, knobs={**sample.knobs, "num_clips": 6 - 2 * (i % 2)})
        for i, sample in enumerate(s for s in samples if s.task == "jigsaw")
    ]
    others = [sample for sample in samples if sample.task != "jigsaw"]
    view(a_set(tmp_path, made, [*others, *changed]), tmp_path / "view", count=0)
    page = tmp_path / "view" / "index.html"
    wanted = {
        "task=masked": [s for s in samples if s.task == "masked"],
        "split=held_out": [s for s in samples if s.split == "held_out"],
        "knob=num_clips&value=4": changed[1::2],
        "edit=shape": [s for s in samples if s.task == "counting"],
        "task=masked&edit=shape": [],
        f"search={samples[0].id}": samples[:1],
    }
    for place, left in wanted.items():
        shown = opened(page, place)
        assert shown.console == [] and f'data-shown="{len(left)}"' in shown.dom, place
        assert all(sample.id in shown.dom for sample in left)


@in_a_browser
def test_whatever_a_set_says_is_text_in_a_browser(
    samples: list[Sample], clips: Path, tmp_path: Path
) -> None:
    data = hostile_set(samples, clips, tmp_path)
    view(data, tmp_path / "view")
    page = tmp_path / "view" / "index.html"
    for place in ("", "show=skips", "task=<b id=hostile>"):
        shown = opened(page, place)
        assert shown.console == [] and "<b id=" not in shown.dom and "<img src=" not in shown.dom
    dom = opened(page).dom
    assert "&lt;b id=hostile&gt;" in dom and "\u00fc\u2028\U0001f3ac?.mp4" in dom


@in_a_browser
def test_a_missing_file_is_said_on_the_page_and_on_the_console(made: Path, tmp_path: Path) -> None:
    page = view(made, tmp_path, count=0).page
    (tmp_path / "details" / "000.js").unlink()
    shown = opened(page)
    assert "details/000.js is missing" in shown.dom and len(shown.console) == 1
