from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuleshov.dataset import load_skips, videos_root
from kuleshov.errors import UsageError
from kuleshov.sample import Skip
from tests.sources.conftest import NAMES, found, ids_of

FORMS = {
    "list.txt": "\n".join(["", *NAMES, "a.mp4", ""]),
    "list.csv": "\n".join(["id,path", *(f"0,{name}" for name in NAMES)]),
    "windows.txt": "\ufeff" + "\r\n".join(NAMES),
    "list.jsonl": "\n".join(json.dumps({"n": 1, "video": name}) for name in NAMES),
}


def test_every_form_gives_the_samples_of_the_folder(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    for name, text in FORMS.items():
        (tmp_path / name).write_text(text)
        out = tmp_path / "out" / name
        assert ids_of(tmp_path / name, out, root=str(videos)) == ids, name
        assert videos_root(out) == videos


def test_a_list_and_what_it_names_may_have_brackets(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data [v2]"
    folder.mkdir()
    (folder / "a [x1].mp4").write_bytes((videos / "a.mp4").read_bytes())
    lists = {
        "list.txt": "a [x1].mp4\n",
        "list [1].txt": "a [x1].mp4\n",
        "what?.csv": "video\na [x1].mp4\n",
        "*.jsonl": '{"video": "a [x1].mp4"}\n',
    }
    for name, text in lists.items():
        (folder / name).write_text(text)
        assert found(folder / name) == (folder, ["a [x1].mp4"], [])


def test_a_list_may_be_in_utf_16_where_it_says_so(tmp_path: Path) -> None:
    for order in ("utf-16-le", "utf-16-be"):
        mark = "\ufeff"
        (tmp_path / "list.txt").write_bytes(f"{mark}café.mp4\r\n".encode(order))
        assert found(tmp_path / "list.txt").paths == ["café.mp4"]


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
def test_a_list_in_another_encoding_is_refused_with_the_line(name: str, tmp_path: Path) -> None:
    text = FORMS[name].replace("b.mp4", "café.mp4")
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    line = next(i for i, one in enumerate(text.split("\n"), 1) if "é" in one)
    with pytest.raises(UsageError, match=rf"line {line} has the byte 0xe9 .* Latin-1, save it in"):
        found(tmp_path / name)


def test_the_order_is_that_of_the_list_and_duplicates_are_one(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b.mp4\n./a.mp4\nb.mp4\nsub//c.mp4\nsub/../a.mp4\n")
    assert found(tmp_path / "list.txt") == (tmp_path, ["b.mp4", "a.mp4", "sub/c.mp4"], [])


def test_the_order_changes_no_sample(videos: Path, ids: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(reversed(NAMES)))
    assert ids_of(tmp_path / "list.txt", tmp_path / "out", root=str(videos)) == ids


def test_what_lies_outside_of_the_root_is_a_skip(videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.mp4").symlink_to(videos / "a.mp4")
    outside = ["../x.mp4", f"{videos}/a.mp4", "link.mp4", "a/../../x.mp4", "s3://b/x.mp4", "\0"]
    (root / "list.txt").write_text("\n".join([*outside, str(root / "in.mp4")]))
    _, paths, skips = found(root / "list.txt")
    why = f"lies outside of {root}; give --root with a folder that holds it"
    assert skips == [Skip(path, why) for path in outside]
    assert paths == ["in.mp4"]


def test_absolute_paths_below_the_root_are_taken(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(str(videos / name) for name in NAMES))
    assert found(tmp_path / "list.txt").paths == []
    assert ids_of(tmp_path / "list.txt", tmp_path / "out", root=str(videos)) == ids


def test_listed_files_that_are_gone_are_skips(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.mp4\ngone.mp4\nsub\n")
    assert len(ids_of(tmp_path / "list.txt", tmp_path / "out", root=str(videos))) == 1
    assert load_skips(tmp_path / "out") == [
        Skip("gone.mp4", "cannot be read: No such file or directory"),
        Skip("sub", "is not a file"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.txt", "\n \n", r"l\.txt is empty; give one that names at least one video"),
        ("l.csv", "", r"l\.csv is empty"),
        ("l.csv", "path\n", r"l\.csv is empty"),
        ("l.csv", "a,b\n1,2\n", r"has the columns a, b and none of video, path, .* --column"),
        ("l.csv", "a,path\n1,x\n1\n", r"l\.csv, line 3: column 'path' is empty; each line"),
        ("l.csv", "caption,video\nred, green,x.mp4\n", r"line 2 has more cells than the 2 columns"),
        ("l.csv", "video,caption\nx,a\nx,a, b\n", r"line 3 has more cells than the 2 columns"),
        ("l.csv", "video\nx,1.mp4\n", r"line 2 has more cells than the 1 columns"),
        ("l.csv", "video,video\nx,y\n", r"l\.csv has the column 'video' twice"),
        ("l.jsonl", '{"video": "a"}\n{"video"\n', r"l\.jsonl, line 2 is no JSON .*an object such"),
        ("l.jsonl", "[" * 100_000, r"l\.jsonl, line 1 is no JSON"),
        ("l.jsonl", '["a.mp4"]', r"line 1 is '\[\"a\.mp4\"\]'; each line is an object"),
        ("l.jsonl", '{"x": 1}', r"line 1 has the columns x and none of video"),
        ("l.jsonl", '\n{"video": 3}', r"line 2: video is 3; allowed: the path of a video"),
    ],
)
def test_broken_lists_say_where_and_what_to_do(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        found(tmp_path / name)


@pytest.mark.parametrize("cell", ["x" * 140_000, '"' + "x,\n" * 70_000 + '"'])
def test_cells_may_be_long_and_behind_them_blank(tmp_path: Path, cell: str) -> None:
    (tmp_path / "l.csv").write_text(f"video,caption\na.mp4,{cell}\nb.mp4,{cell}, ,\n")
    assert found(tmp_path / "l.csv").paths == ["a.mp4", "b.mp4"]


def test_a_list_that_is_no_text_or_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UsageError, match=r"l\.txt is no text in UTF-8"):
        found(tmp_path / "l.txt")
    with pytest.raises(UsageError, match=r"m\.csv cannot be read: No such file or directory; give"):
        found(tmp_path / "m.csv")


def test_a_column_is_chosen_by_name(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,other\na.mp4,b.mp4\n")
    assert found(tmp_path / "l.csv").paths == ["a.mp4"]
    assert found(tmp_path / "l.csv", column="other").paths == ["b.mp4"]
    with pytest.raises(UsageError, match="has the columns path, other and no column 'x'"):
        found(tmp_path / "l.csv", column="x")
