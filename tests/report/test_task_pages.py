from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.report.task_pages import Made, arguments, gallery_page, task_page, write
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import SETTINGS, TASKS, Task

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "docs" / "tasks").mkdir(parents=True)
    (folder / "docs" / "tasks" / "gone.md").write_text("of a task that is gone")
    write(folder / "docs", folder / "clips")
    return folder / "docs"


@pytest.fixture(scope="module")
def sample(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    out = tmp_path_factory.mktemp("made")
    make(short_clips, out, MakeConfig(tasks={"jigsaw": {}}))
    return load_samples(out)[0]


def texts(docs: Path) -> dict[str, str]:
    pages = [docs / "gallery.md", *(docs / "tasks").iterdir()]
    return {path.relative_to(docs).as_posix(): path.read_text() for path in pages}


def test_the_pages_in_the_documents_are_those_that_the_tasks_make_now(written: Path) -> None:
    assert texts(DOCS) == texts(written), "run `make gallery`"
    assert {f"tasks/{name}.md" for name in TASKS} | {"gallery.md"} == set(texts(DOCS))


def test_the_pictures_are_those_that_the_pages_show(written: Path) -> None:
    shown = {name for text in texts(DOCS).values() for name in re.findall(r"(\S+\.jpg)\)", text)}
    names = {Path(name).name for name in shown}
    for docs in (DOCS, written):
        assert {path.name for path in (docs / "gallery").iterdir()} == names


def test_made_again_elsewhere_every_byte_is_the_same(written: Path, tmp_path: Path) -> None:
    write(tmp_path / "docs", tmp_path / "clips")
    first, second = (
        {p.relative_to(docs): p.read_bytes() for p in docs.rglob("*") if p.is_file()}
        for docs in (written, tmp_path / "docs")
    )
    assert first == second


@pytest.mark.parametrize("name", TASKS)
def test_every_knob_is_explained(name: str) -> None:
    said = {**dict(arguments(Task)), **dict(arguments(TASKS[name]))}
    assert {field.name for field in fields(TASKS[name])} == set(said)


@pytest.mark.parametrize("name", TASKS)
def test_a_page_says_what_is_asked_and_what_differs(name: str, written: Path) -> None:
    text = (written / "tasks" / f"{name}.md").read_text()
    heading, question = text.split("\n\n")[1:3]
    assert heading == f"# {name}" and question.endswith("?")
    assert all(f"| `{setting}` | " in text for setting in SETTINGS)
    default, paper = TASKS[name]().knobs(), TASKS[name].paper().knobs()
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \| ", text, re.MULTILINE))
    assert {knob: rows[knob] != "same" for knob in default} == {
        knob: default[knob] != paper[knob] for knob in default
    }


def test_differences_of_the_settings_are_a_list(written: Path) -> None:
    text = (written / "tasks" / "jigsaw.md").read_text()
    assert "in this:\n\n- `form`: tagged;" in text
    assert "\n- `clip_trim`: the ends of each clip are left out; the last" in text
    assert "\n  of the next one are neighbours" in text


def test_text_alone_has_no_picture_and_the_same_frames_are_shown_once(sample: Sample) -> None:
    def page(default: Sample, paper: Sample) -> str:
        made = {("jigsaw", "default"): Made([default], ""), ("jigsaw", "paper"): Made([paper], "")}
        return task_page("jigsaw", made)

    text = replace(sample, media=())
    assert page(text, text).count(".jpg") == 0
    assert page(text, sample).count("jigsaw-paper.jpg") == 1
    assert page(sample, text).count("jigsaw.jpg") == 1
    assert page(sample, sample).count(".jpg") == 1
    assert "The frames are those above." in page(sample, sample)


def test_without_samples_a_page_says_why() -> None:
    made = {(name, setting): Made([], "too short") for name in TASKS for setting in SETTINGS}
    assert task_page("jigsaw", made).count("Procedural clips give none: too short.") == 2
    assert gallery_page(made).count("too short") == len(TASKS)


def test_one_setting_without_samples_leaves_the_other_one(sample: Sample) -> None:
    some, none = Made([sample], ""), Made([], "too short")
    for default, paper in ((some, none), (none, some)):
        text = task_page("jigsaw", {("jigsaw", "default"): default, ("jigsaw", "paper"): paper})
        assert text.count(".jpg") == 1 and text.count("too short") == 1
