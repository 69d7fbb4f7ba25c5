"""The page of a report in a real browser.

    python -m benchmarks.browser [--items 10000]

Opens pages from files in headless Chromium and looks at what a person would: keys, filters, links
to items, the two colour schemes, a phone, the names of controls, and that no hostile text ever
becomes part of a page. Also how long the page of many items takes to show its first one, the
slowest of three times.

Prints one JSON line: `checks`, `failed`, `console_errors` and `open_seconds_10k`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.answered import answered, knows
from benchmarks.chromium import DESKTOP, PHONE, BrowserError, Page, chromium, find_browser
from benchmarks.view import large_set
from kuleshov import dataset
from kuleshov.clips import write_clips
from kuleshov.report.build import build
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make

HOSTILE = "</script><b id=hostile>x</b><img src=x onerror='window.hacked=1'>"
TASKS = {"anomaly": {}, "arrow": {}, "jigsaw": {}, "masked": {"max_similarity": 0.999}}
CONTROLS = ("button", "combobox", "searchbox", "checkbox", "link", "image", "img", "article")


class Site(NamedTuple):
    """A page, and what stands in its list as `data.js` has it."""

    page: Path
    told: dict[str, Any]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000)
    options = parser.parse_args()
    if find_browser() is None:
        sys.exit(
            "there is no Chromium. Install it (apt-get install chromium, or the package of your "
            "distribution), or set CHROMIUM to its path"
        )
    failed = []
    with tempfile.TemporaryDirectory() as folder, chromium() as tab:
        few, bad = a_few(Path(folder) / "few"), hostile(Path(folder) / "hostile")
        for name, check in CHECKS.items():
            site = bad if check in OF_HOSTILE else few
            tab.screen(DESKTOP)
            try:
                check(tab, site.page)
            except (AssertionError, BrowserError) as error:
                failed.append(name)
                print(f"failed: {name}: {error!r}", file=sys.stderr)
        errors = list(tab.console)
        many = of_many(Path(folder) / "many", options.items)
        tab.console.clear()
        seconds = [tab.open(many.page) for _ in range(3)]
        errors += tab.console
        # Before the last, which removes a file and so is heard on the console.
        for name, check in {"a missing file is said": says_what_is_missing}.items():
            try:
                check(tab, few.page)
            except (AssertionError, BrowserError) as error:
                failed.append(name)
                print(f"failed: {name}: {error!r}", file=sys.stderr)
    for line in errors:
        print(f"console: {line}", file=sys.stderr)
    print(
        json.dumps(
            {
                "checks": len(CHECKS) + 1,
                "failed": len(failed),
                "console_errors": len(errors),
                "open_seconds_10k": round(max(seconds), 3),
                "items": options.items,
            }
        )
    )
    sys.exit(1 if failed or errors or max(seconds) >= 2 else 0)


# ---- pages


def a_few(folder: Path) -> Site:
    """A hundred items of four tasks, each with its sheets."""
    write_clips(folder / "videos", 12, seed=3, seconds=10)
    make(folder / "videos", folder / "data", MakeConfig(tasks=TASKS, per_video=2, held_out=1.0))
    return _site(folder, folder / "data", None)


def hostile(folder: Path) -> Site:
    """Names, prompts and completions that would be a page's end, if they were not text."""
    write_clips(folder / "videos", 2, seed=3, seconds=4)
    make(folder / "videos", folder / "few", MakeConfig(tasks={"anomaly": {}}, held_out=1.0))
    dataset.write(folder / "data", _hostile(folder / "few"), {"videos": str(folder / "videos")})

    def says(sample: Sample, condition: str) -> str:
        return f"{HOSTILE}\u2028\ud800\x00" + "x" * 100_000

    runs = [answered(folder / name, folder / "data", says, split=None) for name in ("a", "b")]
    build(runs, folder / f"{HOSTILE[1:9].replace('/', '&')}#%.html", names=(HOSTILE, "b"))
    return _told(folder / f"{HOSTILE[1:9].replace('/', '&')}#%.html")


def _hostile(few: Path) -> Iterator[Sample]:
    for sample in dataset.load_samples(few):
        video = {"id": sample.video_ids[0], "path": f"{HOSTILE}\udcff.mp4"}
        provenance = {"videos": [video], "entry": HOSTILE}
        yield replace(sample, prompt=f"<video>{HOSTILE}", provenance=provenance)


def of_many(folder: Path, items: int) -> Site:
    """A few samples over and over, with a sheet each for the first of each task."""
    return _site(folder, large_set(folder, items), 20, ("full", "single", "shuffled"))


def _site(
    folder: Path, data: Path, sheets: int | None, conditions: tuple[str, ...] | None = None
) -> Site:
    asked = {} if conditions is None else {"conditions": conditions}
    runs = [
        answered(folder / name, data, knows(share, seed), split=None, **asked)
        for name, share, seed in (("base", 0.3, 0), ("trained", 0.7, 1))
    ]
    build(runs, folder / "site", sheets=sheets)
    return _told(folder / "site" / "index.html")


def _told(page: Path) -> Site:
    name = "report" if page.name == "index.html" else page.stem
    text = (page.parent / f"{name}_files" / "data.js").read_text()
    return Site(page, json.loads(text.removeprefix("data(").removesuffix(");\n")))


# ---- checks


def _item(tab: Page) -> str:
    return str(tab.value("document.documentElement.dataset.item"))


def _pressed(tab: Page, key: str) -> str:
    """The item that is shown after a key."""
    before = _item(tab)
    tab.press(key)
    tab.wait(f"document.documentElement.dataset.item !== {json.dumps(before)}")
    return _item(tab)


def what_became_right_comes_first(tab: Page, page: Path) -> None:
    told = _told(page).told
    tab.open(page)
    kinds = told["items"][1]
    assert kinds == sorted(kinds) and kinds[0] == 0
    assert _item(tab) == told["items"][0][0]
    assert tab.value("document.querySelector('#item h3').textContent").startswith("wrong to right")


def keys_walk_through_the_items(tab: Page, page: Path) -> None:
    ids = _told(page).told["items"][0]
    tab.open(page)
    walked = [_pressed(tab, key) for key in ("j", "j", "k", "ArrowRight", "ArrowLeft", "n", "p")]
    # 50 on from the second is the 52nd, and back again.
    assert walked == [ids[place] for place in (1, 2, 1, 2, 1, 51, 1)]
    tab.press("c")
    tab.wait("location.hash.includes('change=wrong+to+right')")
    tab.press("/")
    tab.wait("document.activeElement.id === 'by-search'")
    # A letter that is typed is no key of the browser.
    tab.press("j")
    assert tab.value("document.activeElement.value") == "j"


def each_item_has_a_link(tab: Page, page: Path) -> None:
    ids = _told(page).told["items"][0]
    tab.open(page, f"item={ids[-1]}")
    assert _item(tab) == ids[-1]
    link = tab.value("document.querySelector('#item a[href*=item]').getAttribute('href')")
    assert link == f"#item={ids[-1]}"
    tab.wait("Math.abs(document.getElementById('browser').getBoundingClientRect().top) < 900")


def filters_leave_what_they_name(tab: Page, page: Path) -> None:
    told = _told(page).told
    ids, kinds, rows, _, _, flags, _ = told["items"]
    wanted = {
        "change=right+to+wrong": [i for i, kind in zip(ids, kinds, strict=True) if kind == 1],
        "row=jigsaw": [
            i for i, row in zip(ids, rows, strict=True) if told["rows"][row] == "jigsaw"
        ],
        "flag=needs+time": [i for i, f in zip(ids, flags, strict=True) if f & 1],
        f"search={ids[3]}": [ids[3]],
        "search=no+such+path": [],
    }
    for place, left in wanted.items():
        tab.open(page, place)
        shown = tab.value("document.documentElement.dataset.shown")
        assert (int(shown), _item(tab)) == (len(left), left[0] if left else ""), place
    tab.open(page)
    change = "document.getElementById('by-row')"
    tab.value(f"{change}.value = 'arrow'; {change}.dispatchEvent(new Event('change'))")
    tab.wait("location.hash.includes('row=arrow')")


def grounding_has_bars_over_time(tab: Page, page: Path) -> None:
    tab.open(page, "row=anomaly")
    bars = tab.value("[...document.querySelectorAll('.bar')].map((b) => b.ariaLabel)")
    assert [bar.split(":")[0] for bar in bars] == ["truth", "base", "trained"]
    place = "(i) => parseFloat(i.style.left) + '-' + parseFloat(i.style.width)"
    drawn = tab.value(f"[...document.querySelectorAll('.bar i')].map({place})")
    # What became right overlaps the truth by half or more.
    (left, width), (other, size) = (
        [float(x) for x in drawn[i].split("-", 1)] for i in (0, len(drawn) - 1)
    )
    assert min(left + width, other + size) > max(left, other)


def candidates_stand_in_the_order_of_each_answer(tab: Page, page: Path) -> None:
    tab.open(page, "row=masked")
    names = "[...s.querySelectorAll('[role=img]')].map((p) => p.ariaLabel)"
    strips = tab.value(f"[...document.querySelectorAll('.strip')].map((s) => {names})")
    truth = tab.value("document.querySelectorAll('#item pre')[1].textContent")
    assert strips[0] == [f"Candidate {number}" for number in truth.split(",")]
    # The first item is one that became right.
    assert strips[0] == strips[2] != strips[1]


def sheets_are_there(tab: Page, page: Path) -> None:
    tab.open(page)
    tab.value("document.getElementById('browser').scrollIntoView()")
    images = "[...document.querySelectorAll('#item img')]"
    tab.wait(f"{images}.length > 0 && {images}.every((i) => i.complete && i.naturalWidth)")


def controls_have_names(tab: Page, page: Path) -> None:
    tab.open(page)
    nodes = [node for node in tab.accessible() if node["role"].lower() in CONTROLS]
    nameless = [node for node in nodes if not node["name"] and node["role"] != "article"]
    assert len(nodes) > 20 and not nameless, nameless


def a_phone_needs_no_scrolling_sideways(tab: Page, page: Path) -> None:
    tab.screen(PHONE)
    for place in ("", "row=masked", "row=anomaly"):
        tab.open(page, place)
        assert tab.value("document.documentElement.scrollWidth") <= PHONE[0], place
    assert tab.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 14


def both_colour_schemes_can_be_read(tab: Page, page: Path) -> None:
    seen = []
    for dark in (False, True):
        tab.screen(DESKTOP, dark)
        tab.open(page)
        colours = "['color', 'backgroundColor'].map((c) => getComputedStyle(document.body)[c])"
        ink, paper = (_lightness(colour) for colour in tab.value(colours))
        # WCAG 2.2 asks for 4.5.
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
        seen.append(paper)
    assert seen[0] > 0.8 > 0.1 > seen[1]


def _lightness(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)", in [0, 1]."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def nothing_comes_from_elsewhere(tab: Page, page: Path) -> None:
    tab.asked.clear()
    tab.open(page)
    kinds = [address.split(":")[0] for address in tab.asked if address != "about:blank"]
    # The page, its list and the first details at least.
    assert kinds.count("file") >= 3 and set(kinds) <= {"file", "data"}, tab.asked


def hostile_text_stays_text(tab: Page, page: Path) -> None:
    tab.open(page)
    assert tab.value("window.hacked === undefined")
    assert tab.value("document.querySelectorAll('#hostile, b[id], img[src=x]').length") == 0
    text = str(tab.value("document.getElementById('item').textContent"))
    assert text.count("<b id=hostile>x</b>") >= 3 and "more characters stand in" in text
    assert len(text) < 100_000
    assert HOSTILE in str(tab.value("document.querySelector('tbody th').textContent"))


def a_long_name_stays_within_a_phone(tab: Page, page: Path) -> None:
    tab.screen(PHONE)
    tab.open(page)
    assert tab.value("document.documentElement.scrollWidth") <= PHONE[0]


def hostile_addresses_are_text_too(tab: Page, page: Path) -> None:
    tab.open(page, "change=<b id=hostile>&item=<img src=x>&search=")
    assert tab.value("document.querySelectorAll('#hostile, img[src=x]').length") == 0


def says_what_is_missing(tab: Page, page: Path) -> None:
    folder = page.parent / "report_files" / "details"
    shutil.move(folder, folder.with_name("elsewhere"))
    tab.open(page)
    assert "000.js is missing" in str(tab.value("document.getElementById('item').textContent"))
    shutil.move(folder.with_name("elsewhere"), folder)


OF_HOSTILE: tuple[Callable[[Page, Path], None], ...] = (
    hostile_text_stays_text,
    a_long_name_stays_within_a_phone,
    hostile_addresses_are_text_too,
)
CHECKS: dict[str, Callable[[Page, Path], None]] = {
    check.__name__.replace("_", " "): check
    for check in (
        what_became_right_comes_first,
        keys_walk_through_the_items,
        each_item_has_a_link,
        filters_leave_what_they_name,
        grounding_has_bars_over_time,
        candidates_stand_in_the_order_of_each_answer,
        sheets_are_there,
        controls_have_names,
        a_phone_needs_no_scrolling_sideways,
        both_colour_schemes_can_be_read,
        nothing_comes_from_elsewhere,
        *OF_HOSTILE,
    )
}
"""Those that leave the page as it is; each starts from a screen of a desktop, in light."""

if __name__ == "__main__":
    main()
