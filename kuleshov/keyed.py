"""A set of samples again, with the key frames that were found: what training takes out of a video.

    kuleshov pairs OUT --keys relevance --into KEYED
    kuleshov train KEYED ...        with degraded: key_frames

A sample's key frames stand in its provenance (`pairs.KEY_FRAMES`), and no video is looked at again.
Its degraded video is then the one of the pair that was found. An empty list says that none were
found, so that the frames which a pretext answer depends on do not stand in for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kuleshov.dataset import (
    finished,
    iterate_samples,
    load_skips,
    load_summary,
    root_in,
    settings,
    videos_root,
    write,
)
from kuleshov.endpoint import Endpoint
from kuleshov.errors import UsageError
from kuleshov.keywords import BadReply, extracted, prompt_of
from kuleshov.locations import Location
from kuleshov.owned import writing
from kuleshov.pairing import Keywords, Pairing
from kuleshov.pairs import KEY_FRAMES
from kuleshov.progress import Progress
from kuleshov.sample import Sample, Skip
from kuleshov.tasks.labelled import text_of

KEYWORDS = "keywords"
"""In the provenance of a sample: what its key frames were found by, if by words."""
WITH, WITHOUT, REFUSED, OTHER = "with", "without", "bad_reply", "not_for"


def write_keyed(
    out: Path,
    into: Path,
    pairing: Pairing,
    keywords: Keywords = extracted,
    progress: Progress = lambda *_: None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write a set again with the key frames of its samples.

    Args:
        out: the set.
        into: the folder to write, not `out`.
        pairing: finds key frames.
        keywords: of a text, for "relevance".
        progress: told of every sample.
        overwrite: whether a finished set is made anew.

    Returns:
        How many samples there are of each kind, also in `summary.json` as "key_frames": "with"
        and "without" key frames; "bad_reply", without since a model's reply gave no keywords; and
        "not_for", left as they are since `pairing` is not for them.

    Raises:
        UsageError: there is no finished set in `out`, or `into` is the set itself or holds
            something else.
    """
    if into.resolve() == out.resolve():
        raise UsageError(f"{into} is the set itself; give another folder for the one to write")
    total, root = load_summary(out)["samples"], videos_root(out)
    config = settings(out)
    config |= {"videos": root_in(into, root), "key_frames": asdict(pairing)}
    counts = dict.fromkeys((WITH, WITHOUT, REFUSED, OTHER), 0)

    def results() -> Iterator[Sample | Skip]:
        yield from load_skips(out)
        for done, sample in enumerate(iterate_samples(out), 1):
            keyed, kind = with_key_frames(sample, root, pairing, keywords)
            counts[kind] += 1
            yield keyed
            progress("finding key frames", done, total)

    with writing(into, "samples", out):
        finished(into, overwrite)
        write(into, results(), config, {"key_frames": counts})
    return counts


def ask_ahead(
    out: Path, pairing: Pairing, endpoint: Endpoint, progress: Progress = lambda *_: None
) -> None:
    """Ask for the keywords of all samples of a set, several at a time.

    `write_keyed`, which goes through samples one by one, then has them at once if the endpoint
    keeps its replies.

    Args:
        out: the set.
        pairing: finds key frames, by words.
        endpoint: is asked.
        progress: told of every text.
    """
    samples = (sample for sample in iterate_samples(out) if sample.media and pairing.takes(sample))
    prompts = list(dict.fromkeys(prompt_of(text_of(sample)) for sample in samples))
    for done, _ in enumerate(endpoint.each(endpoint.ask, prompts), 1):
        progress("asking for keywords", done, len(prompts))


def with_key_frames(
    sample: Sample, root: Location, pairing: Pairing, keywords: Keywords = extracted
) -> tuple[Sample, str]:
    """A sample with the key frames found, and whether there are any (see `write_keyed`).

    With `share` it may have more frames than before.
    """
    if not sample.media or not pairing.takes(sample):
        return sample, OTHER
    try:
        found = pairing(sample, root, keywords)
    except BadReply:
        return _listed(sample, []), REFUSED
    if found is None:
        return _listed(sample, []), WITHOUT
    absent = [list(place) for place in found.pair.absent]
    return _listed(found.pair.full, absent, found.words), WITH


def _listed(sample: Sample, keys: list[list[int]], words: tuple[str, ...] = ()) -> Sample:
    told: dict[str, Any] = {KEYWORDS: list(words)} if words else {}
    return replace(sample, provenance={**sample.provenance, **told, KEY_FRAMES: keys})
