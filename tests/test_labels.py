from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuleshov.audit import audit
from kuleshov.dataset import load_samples, load_skips
from kuleshov.errors import UsageError
from kuleshov.labels import Label, read_labels
from kuleshov.read import read_video
from kuleshov.sample import Video
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import score
from tests.frames.encoded import encode
from tests.test_synthesize import SIZE, all_bytes

CHOICE = {
    "video": "clip-0000.mp4",
    "question": "Which?",
    "answer": "circle",
    "options": ["square", "circle"],
}
TEXT = {"video": "clip-0001.mp4", "question": "What is shown?", "answer": "a red ball"}
READ = [
    Label("x, row 1", "clip-0000.mp4", "Which?", "B", ("square", "circle")),
    Label("x, row 2", "clip-0001.mp4", "What is shown?", "a red ball"),
]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def config(rows: Path, **changes: Any) -> MakeConfig:
    labelled = {"path": str(rows), "num_frames": 8}
    return MakeConfig(tasks={"jigsaw": {}}, labelled=labelled, **changes)


def named(labels: list[Label]) -> list[Label]:
    return [label._replace(place=f"x, row {i}") for i, label in enumerate(labels, 1)]


def test_rows_are_read_from_each_kind_of_file(tmp_path: Path) -> None:
    read = [read_labels(lines(tmp_path / "a.jsonl", [CHOICE, TEXT]))]
    table = tmp_path / "a.csv"
    table.write_text(
        "video,question,answer,options\nclip-0000.mp4,Which?,b,square|circle\n"
        "clip-0001.mp4,What is shown?,a red ball,\n"
    )
    read.append(read_labels(table))
    pq.write_table(pa.Table.from_pylist([CHOICE, TEXT]), tmp_path / "a.parquet")
    read.append(read_labels(tmp_path / "a.parquet"))
    assert [named(labels) for labels in read] == [READ] * 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**TEXT, "answer": ""}, "row 1: answer is ''; allowed: text"),
        ({**TEXT, "answer": "..."}, r"answer is '\.\.\.'; allowed: a text with a letter"),
        ({**TEXT, "question": 3}, "question is 3; allowed: text"),
        ({"video": "a.mp4"}, "question is None; allowed: text"),
        ({**TEXT, "question": "Is <video> long?"}, "its text holds <video>"),
        ({**CHOICE, "options": "square"}, "options is 'square'; allowed: a list of texts"),
        ({**CHOICE, "options": ["circle"]}, "row 1: labelled: options are .*; allowed: 2 to 26"),
        ({**CHOICE, "answer": "C"}, "answer is 'C'; allowed: one of .*, or its letter"),
    ],
)
def test_rows_that_are_none_are_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_labels(lines(tmp_path / "a.jsonl", [row]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"holds no rows; allowed: \.jsonl, \.csv, \.parquet"),
        ("a.jsonl", b"{", r"a\.jsonl, line 1 is no JSON"),
        ("a.jsonl", b"[1]", r"row 1 is \[1\]; each row has a video"),
        ("a.jsonl", b"\xff", "is no text in UTF-8"),
        ("a.parquet", b"no table", "cannot be read as a table"),
    ],
)
def test_files_that_hold_no_rows_say_so(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_labels(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "nowhere.jsonl")


def test_an_option_that_is_a_letter_is_meant_before_the_letter(tmp_path: Path) -> None:
    row = {**CHOICE, "options": ["B", "A"], "answer": "A"}
    assert read_labels(lines(tmp_path / "a.jsonl", [row]))[0].answer == "B"


def test_labelled_rows_are_asked_beside_the_tasks(short_clips: Path, tmp_path: Path) -> None:
    rows = lines(tmp_path / "a.jsonl", [CHOICE, TEXT, {**TEXT, "question": "And then?"}])
    summary = make(short_clips, tmp_path / "out", config(rows, held_out=0.5))
    counts = {name: sum(count.values()) for name, count in summary["tasks"].items()}
    assert counts == {"jigsaw": 12, "labelled": 3}
    samples = load_samples(tmp_path / "out")
    labelled = [sample for sample in samples if sample.task == "labelled"]
    assert len({sample.id for sample in samples}) == 15
    assert {len(sample.media[0].frames) for sample in labelled} == {8}
    assert {(s.answer, score(s, f"<answer>{s.answer}</answer>").total) for s in labelled} == {
        ("B", 1.0),
        ("a red ball", 1.0),
    }
    sides = {sample.video_ids[0]: sample.split for sample in samples if sample.task == "jigsaw"}
    assert all(sample.split == sides[sample.video_ids[0]] for sample in labelled)
    assert audit(tmp_path / "out", num_samples=2).errors == []


def test_they_change_no_other_sample_and_no_row_changes_another(
    short_clips: Path, tmp_path: Path
) -> None:
    every = lines(tmp_path / "every.jsonl", [{**TEXT, "question": "Before?"}, CHOICE, TEXT])
    some = lines(tmp_path / "some.jsonl", [TEXT])
    make(short_clips, tmp_path / "every", config(every))
    make(short_clips, tmp_path / "some", config(some))
    make(short_clips, tmp_path / "none", MakeConfig(tasks={"jigsaw": {}}))
    sets = [
        {sample.id: sample for sample in load_samples(tmp_path / name)}
        for name in ("every", "some", "none")
    ]
    assert [len(of) for of in sets] == [15, 13, 12]
    assert sets[0].items() > sets[1].items() > sets[2].items()


def test_rows_without_a_video_of_the_set_are_skips(short_clips: Path, tmp_path: Path) -> None:
    away = {**TEXT, "video": "../secret.mp4"}
    rows = lines(tmp_path / "a.jsonl", [away, {**TEXT, "video": "none.mp4"}, TEXT, TEXT])
    make(short_clips, tmp_path / "out", config(rows))
    skips = {(skip.path, skip.task): skip.reason for skip in load_skips(tmp_path / "out")}
    assert "lies outside of" in skips["../secret.mp4", "labelled"]
    assert skips["none.mp4", "labelled"] == "is no video of the set (a.jsonl, row 2)"
    assert skips["clip-0001.mp4", "labelled"] == "a.jsonl, row 4 asks the same as a.jsonl, row 3"


def test_a_row_about_a_copy_is_asked_of_the_first(short_clips: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(short_clips, videos)
    shutil.copy(videos / "clip-0001.mp4", videos / "zz.mp4")
    rows = lines(tmp_path / "a.jsonl", [{**TEXT, "video": "zz.mp4"}])
    make(videos, tmp_path / "out", config(rows))
    (labelled,) = [s for s in load_samples(tmp_path / "out") if s.task == "labelled"]
    assert labelled.provenance["videos"][0]["path"] == "clip-0001.mp4"


def test_labelled_near_duplicates_stay_on_one_side(short_clips: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(short_clips, videos)
    rows = []
    for path in sorted(short_clips.iterdir()):
        found = read_video(short_clips, path.name)
        assert isinstance(found, Video)
        times = [found.start + i / 12 for i in range(found.num_frames)]
        encode(videos / f"again-{path.name}", "libx264", {"crf": "20"}, found.frames(times, SIZE))
        rows += [{**TEXT, "video": name} for name in (path.name, f"again-{path.name}")]
    make(videos, tmp_path / "out", config(lines(tmp_path / "a.jsonl", rows), held_out=0.5))
    sides: dict[str, set[str]] = {}
    for sample in load_samples(tmp_path / "out"):
        name = sample.provenance["videos"][0]["path"].removeprefix("again-")
        sides.setdefault(name, set()).add(sample.split)
    assert len(sides) == 12 and all(len(here) == 1 for here in sides.values())
    assert set.union(*sides.values()) == {"train", "held_out"}


def test_they_count_in_a_mixture(short_clips: Path, tmp_path: Path) -> None:
    every = [{**TEXT, "video": f"clip-{i:04}.mp4"} for i in range(12)]
    rows = lines(tmp_path / "a.jsonl", every)
    mixed = config(rows, weights={"jigsaw": 1, "labelled": 0.5}, per_task={"jigsaw": 2})
    summary = make(short_clips, tmp_path / "out", mixed)
    counts = {name: sum(count.values()) for name, count in summary["tasks"].items()}
    # Of 24 jigsaws and 12 labelled, both are used up at 2 to 1.
    assert counts == {"jigsaw": 24, "labelled": 12}
    fewer = config(rows, counts={"labelled": 5}, disjoint=False)
    make(short_clips, tmp_path / "fewer", fewer)
    make(short_clips, tmp_path / "two", config(rows, counts={"labelled": 5}, workers=2))
    assert sum(s.task == "labelled" for s in load_samples(tmp_path / "fewer")) == 5
    assert all_bytes(tmp_path / "two") == all_bytes(tmp_path / "fewer")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": {"num_frames": 8}}, "make.labelled has no path; give that of the rows"),
        ({"labelled": {"path": "x", "num_frame": 8}}, "unknown knob of labelled 'num_frame'"),
        ({"tasks": {"labelled": {}}}, "labelled makes no questions up; give make.labelled"),
        ({"weights": {"jigsaw": 1}, "labelled": {"path": "x"}}, "weights lacks labelled"),
        ({"counts": {"labelled": 1}}, r"unknown task in make\.counts 'labelled'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        make(tmp_path, tmp_path / "out", MakeConfig(**{"tasks": {"jigsaw": {}}, **change}))


def refused(path: Path, *rows: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        read_labels(lines(path / "rows.jsonl", list(rows)))
    return str(caught.value)


@pytest.mark.parametrize("mark", ["<image>", "<video>", "<|image_pad|>", "<|im_end|>"])
@pytest.mark.parametrize(
    "change",
    [
        {"question": "{}\nWhich?"},
        {"answer": "it is {}"},
        {"options": ["a {}", "circle"]},
    ],
)
def test_what_stands_for_media_is_refused_in_a_row(
    tmp_path: Path, mark: str, change: dict[str, Any]
) -> None:
    (key,) = change
    value = change[key]
    filled = [v.format(mark) for v in value] if isinstance(value, list) else value.format(mark)
    row = {**(TEXT if key == "answer" else CHOICE), key: filled}
    assert f"rows.jsonl, row 1: its text holds {mark}" in refused(tmp_path, row)


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (["A. red", "B. green"], "B", "B"),
        (["A. red", "B. green"], "green", "B"),
        (["A. red", "B. green"], "B. green", "B"),
        (["(A) red", "(B) green"], "red", "A"),
        (["A) red", "B) green", "C) blue"], "C) blue", "C"),
        (["A.red", "B.green"], "B", "B"),
        (["a) red", "b) green"], "b", "B"),
        (["[A] red", "[B] green"], "[B] green", "B"),
        (["A - red", "B - green"], "green", "B"),
    ],
)
def test_options_bring_their_letters(
    tmp_path: Path, options: list[str], answer: str, letter: str
) -> None:
    row = {**CHOICE, "options": options, "answer": answer}
    (label,) = read_labels(lines(tmp_path / "a.jsonl", [row]))
    assert label.answer == letter and label.options[0] == "red"


@pytest.mark.parametrize(
    "options",
    [
        ["B. green", "A. red"],
        ["A. red", "C. green"],
        ["A. red", "A. green"],
        ["B.green", "A.red"],
        ["(B)green", "(A)red"],
        ["b) green", "a) red"],
        ["B: green", "A: red"],
        ["[B] green", "[A] red"],
        ["B - green", "A - red"],
        ["**B.** green", "**A.** red"],
        ["Option B: green", "Option A: red"],
        ["B、green", "A、red"],
    ],
)
def test_letters_out_of_order_are_refused(tmp_path: Path, options: list[str]) -> None:
    said = refused(tmp_path, CHOICE, {**CHOICE, "options": options, "answer": "B"})
    assert "row 2: options is" in said and "leave the letters out" in said


def test_a_letter_that_another_option_brings_is_refused(tmp_path: Path) -> None:
    row = {**CHOICE, "options": ["B. green", "A. red", "neither"], "answer": "B"}
    said = refused(tmp_path, CHOICE, row)
    assert "row 2: the answer is 'B', a letter that 'B. green' brings" in said
    (label,) = read_labels(lines(tmp_path / "a.jsonl", [{**row, "answer": "A. red"}]))
    assert label.answer == "B"


@pytest.mark.parametrize("options", [["A.M.", "P.M."], ["A.D.", "B.C."], ["A:B", "B:A"]])
def test_what_only_looks_like_letters_stays(tmp_path: Path, options: list[str]) -> None:
    row = {**CHOICE, "options": options, "answer": options[1]}
    (label,) = read_labels(lines(tmp_path / "a.jsonl", [row]))
    assert label.options == tuple(options) and label.answer == "B"


def test_one_option_with_a_letter_is_no_list_of_letters(tmp_path: Path) -> None:
    row = {**CHOICE, "options": ["E. coli", "yeast"], "answer": "E. coli"}
    (label,) = read_labels(lines(tmp_path / "a.jsonl", [row]))
    assert label.options == ("E. coli", "yeast") and label.answer == "A"


@pytest.mark.parametrize("key", ["question", "answer", "video"])
def test_half_a_character_is_refused_with_its_row(tmp_path: Path, key: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**TEXT, key: "Which \ud83d is it?"}))
    with pytest.raises(UsageError, match=r"row 1: 'Which \\ud83d is it\?' holds half of a char"):
        read_labels(path)


def test_a_comma_that_is_not_quoted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    header = "video,question,answer\n"
    path.write_text(f"{header}clip-0001.mp4,Who?,a cat,,\nclip-0000.mp4,Which colour, is it?,red\n")
    with pytest.raises(UsageError, match=r"rows.csv, line 3 has more cells than the 3 columns"):
        read_labels(path)
    path.write_text(f'{header}clip-0001.mp4,Who?,a cat,,\nclip-0000.mp4,"Which, or is it?",red\n')
    assert [label.question for label in read_labels(path)] == ["Who?", "Which, or is it?"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("video,question,answer,options\na.mp4,Which?,red,red,green\n", "line 2 has more cells"),
        ('video,question,answer\na.mp4,"Who?",b\na.mp4,Is it "x, y"?,b\n', "line 3 has more"),
        ("video,question,answer\na.mp4,Who?\n", "row 1: answer is None"),
        ("video,question,answer,answer\na.mp4,Who?,b,c\n", "the column 'answer' twice"),
    ],
)
def test_cells_that_are_lost_are_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_labels(path)


@pytest.mark.parametrize("cell", ["x" * 140_000, '"' + "x,\n" * 70_000 + '"'])
@pytest.mark.parametrize("line", ["{},a.mp4,Who?,a cat", "{0},a.mp4,Who?,a cat, "])
def test_cells_may_be_long(tmp_path: Path, cell: str, line: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"notes,video,question,answer\n{line.format(cell)}\n")
    assert [label.answer for label in read_labels(path)] == ["a cat"]
