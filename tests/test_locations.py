from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kuleshov.locations import location, within

PARTS = st.sampled_from(
    [
        *("..", ".", "", "a", "in", "out", "loop", "root"),
        *("%2e%2e", "\\..", "~", "file:", "a\0", "\ud800"),
    ]
)
PATHS = st.text() | st.lists(PARTS, max_size=8).map("/".join) | st.lists(PARTS).map("\\".join)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder with links inside of it, out of it and in a circle."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder).resolve() / "root"
        (made / "a").mkdir(parents=True)
        (made / "in").symlink_to("a")
        (made / "out").symlink_to("..")
        (made / "loop").symlink_to("loop")
        yield made


@given(path=PATHS, absolute=st.booleans())
@example(path="out/x", absolute=False)
@example(path="in/../../x", absolute=True)
def test_no_text_leads_out_of_a_folder(root: Path, path: str, absolute: bool) -> None:
    path = f"{root}/{path}" if absolute else path
    for where in (root, location(f"file://{root}")):
        inner = within(where, path)
        if inner is not None:
            real = os.path.realpath(root / inner)
            assert real == str(root) or real.startswith(f"{root}/")
            # Nothing is lost on a second look, as when a recipe is rendered.
            assert within(where, inner) is not None


@given(path=PATHS, absolute=st.booleans())
def test_no_text_leads_out_of_an_address(path: str, absolute: bool) -> None:
    where = location("memory://bucket/root")
    inner = within(where, f"memory://bucket/root/{path}" if absolute else path)
    if inner is not None:
        assert not inner.startswith("/") and ".." not in inner.split("/")


def test_plain_paths_stay_as_they_are(root: Path) -> None:
    for where in (root, location(f"file://{root}")):
        for path in ("a/x.mp4", "in/x.mp4", "x y%20z.mp4", "ä/..mp4"):
            assert within(where, path) == path
