"""Everything: one pass over the rows, one over the videos, and few samples in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby, islice, tee
from pathlib import Path
from typing import NamedTuple, Self

from kuleshov.audit import cuts, learn, priors, sides, soundness
from kuleshov.audit.ambiguity import Version, ambiguities
from kuleshov.audit.evidence import Encoder, Evidence, FrameFile, Jpeg
from kuleshov.audit.findings import Finding, Findings, Floor, Probed
from kuleshov.audit.leaks import MIN_VIDEOS, Looked, probed, unit_rows
from kuleshov.audit.probes import PROBES
from kuleshov.audit.recompute import RECOMPUTED, contradictions
from kuleshov.audit.survey import Entry, survey
from kuleshov.dataset import SKIPS, harmed_files, load_summary, samples_at, videos_root
from kuleshov.errors import KuleshovError
from kuleshov.locations import Location
from kuleshov.media import render_all
from kuleshov.progress import Progress
from kuleshov.rendered import encoded
from kuleshov.runners import Failed, Limits, Runner, runner
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import TASKS, task_of

_TOGETHER = 8
"""Samples of a video whose pixels are in memory together, each with its control."""

_SORTED = 512
"""Samples that are put together by video; `make` writes those of a video beside each other."""

MOST = 5_000
"""Samples of an entry whose answers constants and guesses are compared with (ours). The standard
error of a share is then below 0.7 %."""

_SECONDS = 3600.0
"""For what one process is given at a time, of which the largest are the probes of a task."""
_FEW = 300
"""Samples below which it takes longer to start processes than they save."""


def audit(
    out: Path,
    num_samples: int = 200,
    rendered: Path | None = None,
    every: bool = False,
    encode: Encoder | None = None,
    progress: Progress = lambda *_: None,
    workers: int | None = 0,
) -> Findings:
    """Check a sample set. What is found does not depend on the number of processes.

    Args:
        out: the folder that `kuleshov make` wrote.
        num_samples: of each task, whose frames are looked at and whose answers are probed; the
            first ones by id, which is a hash.
        rendered: a folder of `kuleshov render`, whose JPEG files are probed in the place of
            those that it would write.
        every: look at the frames of every sample; probes stay at `num_samples`.
        encode: how frames become files, in the place of the project's own encoding.
        progress: told of every sample and video.
        workers: processes; None for one a core if there is enough to do, 0 for none but this one.

    Raises:
        UsageError: no finished set in `out`, or none with JPEG in `rendered`.
    """
    root, findings = videos_root(out), Findings()
    if workers is None and load_summary(out)["samples"] < _FEW:
        workers = 0
    with runner("local", workers, Limits(seconds=_SECONDS)) as run:
        found = survey(out, run, progress)
        findings.errors.extend(found.faults)
        if why := harmed_files(out, ()).get(SKIPS):
            findings.errors.append(Finding("wrong", "", f"the file {why}", SKIPS))
        findings.errors.extend(found.unsound)
        findings.errors.extend(sides.on_both_sides(found.uses, root, progress, run))
        entries = dict(sorted(found.entries.items()))
        _floors(out, entries, findings, run, progress)
        first = {p for one in entries.values() for p in one.by_id()[:num_samples]}
        ids = _ids(entries, first)
        wanted = {p for one in entries.values() for p in one.places} if every else first
        files = {} if rendered is None else _files(rendered, ids)
        groups = _groups(samples_at(out, wanted), ids, files)
        look = partial(_look, root=root, encode=encode or Jpeg())
        looked = _look_at(groups, len(wanted), look, findings, run, progress)
        if not learn.available():
            text = "probes were not run, so leaks are unknown; pip install 'kuleshov[audit]'"
            findings.warnings.append(Finding("note", "", text))
        _probe_all(looked, findings, run, progress)
    return findings


def _floors(
    out: Path,
    entries: Mapping[str, Entry],
    findings: Findings,
    run: Runner,
    progress: Progress,
) -> None:
    work = [(name, one.some(MOST)) for name, one in entries.items()]
    with closing(run.map(partial(_floor, out), work)) as results:
        for done, ((name, one), result) in enumerate(zip(entries.items(), results, strict=True), 1):
            if isinstance(result, Failed):
                text = f"its floors are unknown: {result.reason}"
                findings.warnings.append(Finding("note", name, text))
            else:
                floor, warnings = result
                floor = floor._replace(samples=len(one.ids), chance=one.chance)
                findings.floors.append(floor)
                findings.warnings.extend(warnings)
            if (some := len(work[done - 1][1])) < len(one.ids):
                text = f"best constant and commonest answer are those of {some:,} of its samples"
                findings.warnings.append(Finding("note", name, text))
            if one.task not in RECOMPUTED:
                findings.not_recomputed.append(name)
            progress("comparing answers", done, len(work))


def _floor(out: Path, work: tuple[str, Sequence[int]]) -> tuple[Floor, list[Finding]]:
    samples = list(samples_at(out, work[1]))
    floor = priors.floor(samples)
    return floor, priors.warnings(samples, floor)


def _ids(entries: Mapping[str, Entry], places: Collection[int]) -> frozenset[str]:
    return frozenset(
        id
        for one in entries.values()
        for id, place in zip(one.ids, one.places, strict=True)
        if place in places
    )


_Files = Mapping[str, list[list[FrameFile]]]
"""By sample, for each of its media items the files of its frames."""


def _files(rendered: Path, ids: Collection[str]) -> _Files:
    """Those of a rendered set, of some samples."""
    return {
        row.sample.id: [[FrameFile.of(file) for file in item] for item in row.files]
        for row in encoded(rendered)
        if row.sample.id in ids
    }


class _Group(NamedTuple):
    """Samples of a video that are looked at together.

    Args:
        samples: few of them.
        probed: ids of those that are probed.
        files: of these, where they are of a rendered set.
    """

    samples: list[Sample]
    probed: Collection[str]
    files: _Files


class _Outcome(NamedTuple):
    """What a look at a sample has found; outcomes sort as samples do.

    Args:
        order: by video, then by id.
        entry: the sample's.
        rendered: whether it could be rendered.
        found: what is wrong.
        looked: what is probed, if it is.
    """

    order: tuple[tuple[str, ...], str]
    entry: str
    rendered: bool
    found: list[Finding]
    looked: Looked | None


def _look_at(
    groups: Iterable[_Group],
    total: int,
    look: partial[list[_Outcome]],
    findings: Findings,
    run: Runner,
    progress: Progress,
) -> dict[str, list[Looked]]:
    """Render, note what is wrong, and keep the features of those that are in order."""
    outcomes: list[_Outcome] = []
    groups, given = tee(groups)
    with closing(run.map(look, given)) as results:
        for group, result in zip(groups, results, strict=True):
            if isinstance(result, Failed):
                result = [_unrendered(sample, result.reason) for sample in group.samples]
            outcomes += result
            progress("looking at samples", len(outcomes), total)
    looked: dict[str, list[Looked]] = {}
    for one in sorted(outcomes, key=lambda outcome: outcome.order):
        if one.rendered:
            findings.examined[one.entry] = findings.examined.get(one.entry, 0) + 1
        findings.errors.extend(one.found)
        if one.looked is not None:
            looked.setdefault(one.entry, []).append(one.looked)
    return looked


def _look(group: _Group, root: Location, encode: Encoder) -> list[_Outcome]:
    return list(_outcomes(group, root, encode))


def _outcomes(group: _Group, root: Location, encode: Encoder) -> Iterator[_Outcome]:
    others = {s.id: _Others.of(s) for s in group.samples}
    for sample, rendered in _rendered(group.samples, others, root):
        if isinstance(rendered, KuleshovError):
            yield _unrendered(sample, rendered)
            continue
        found, looked = _faults(sample, *rendered), None
        if sample.id in group.probed and not found and _is_ours(sample) and learn.available():
            shown, off, without, _ = rendered
            files = group.files.get(sample.id) or _encoded(encode, sample, shown)
            looked = _evidence(sample, shown, off, without, files, encode)
        yield _Outcome(_order(sample), sample.entry, True, found, looked)


def _unrendered(sample: Sample, why: object) -> _Outcome:
    found = [soundness.unrenderable(sample, why)]
    return _Outcome(_order(sample), sample.entry, False, found, None)


def _order(sample: Sample) -> tuple[tuple[str, ...], str]:
    return sample.video_ids, sample.id


def _encoded(encode: Encoder, sample: Sample, pixels: Sequence[Pixels]) -> list[list[FrameFile]]:
    return [encode(item, p) for item, p in zip(sample.media, pixels, strict=True)]


def _is_ours(sample: Sample) -> bool:
    """Whether the recipe says what was done to the frames: not of given and published questions."""
    return sample.task in TASKS and not sample.made_elsewhere


def _groups(samples: Iterable[Sample], probed: Collection[str], files: _Files) -> Iterator[_Group]:
    """The samples by video, few at a time; each time their video is decoded once."""
    samples = iter(samples)
    while here := sorted(islice(samples, _SORTED), key=_order):
        for _, group in groupby(here, key=lambda s: s.video_ids[:1]):
            while some := list(islice(group, _TOGETHER)):
                ids = frozenset(s.id for s in some if s.id in probed)
                yield _Group(some, ids, {id: files[id] for id in ids if id in files})


class _Others(NamedTuple):
    """What a sample is compared with, see `Task.switched_off` and `Task.versions`."""

    off: Sample | None
    versions: Sequence[Sample]

    @classmethod
    def of(cls, sample: Sample) -> Self:
        if not _is_ours(sample):
            return cls(None, ())
        task = task_of(sample)
        return cls(task.switched_off(sample), task.versions(sample))


_Rendered = tuple[list[Pixels], Sample | None, list[Pixels] | None, list[Version]]
"""The frames; the sample without its effect, and its frames; the other versions of it."""


def _rendered(
    group: list[Sample], others: Mapping[str, _Others], root: Location
) -> Iterator[tuple[Sample, _Rendered | KuleshovError]]:
    wanted: list[Sample] = []
    places: list[list[int]] = []
    for sample in group:
        off, versions = others[sample.id]
        first = len(wanted)
        places.append([])
        for one in (sample, *versions, *(() if off is None else (off,))):
            known = [i for i in range(first, len(wanted)) if wanted[i].media == one.media]
            if not known:
                wanted.append(one)
            places[-1].append(known[0] if known else len(wanted) - 1)
    try:
        pixels = render_all(wanted, root)
    except KuleshovError as error:
        if len(group) == 1:
            yield group[0], error
            return
        for sample in group:
            yield from _rendered([sample], others, root)
        return
    for sample, at in zip(group, places, strict=True):
        off, versions = others[sample.id]
        shown, *compared = [pixels[i] for i in at]
        without = None if off is None else compared[-1]
        yield sample, (shown, off, without, list(zip(versions, compared, strict=False)))


def _faults(
    sample: Sample,
    shown: list[Pixels],
    off: Sample | None,
    without: list[Pixels] | None,
    versions: list[Version],
) -> list[Finding]:
    found = soundness.of_media(sample, shown)
    if not _is_ours(sample):
        return found
    units = task_of(sample).units(sample)
    # What the frames contradict is one fault, however many checks it fails.
    found = found or contradictions(sample, shown, without or [])
    return found or ambiguities(sample, units, shown, off, without, versions)


def _evidence(
    sample: Sample,
    shown: list[Pixels],
    off: Sample | None,
    without: list[Pixels] | None,
    files: list[list[FrameFile]],
    encode: Encoder,
) -> Looked:
    units = task_of(sample).units(sample)
    one = Looked(sample, units)
    seen = Evidence(sample, units, shown, files)
    for name, probe in PROBES.items():
        if (found := probe.features(seen)) is not None:
            one.on_set[name] = found
    one.cuts = cuts.shown_cuts(seen)
    if off is not None and without is not None:
        seen = Evidence(off, units, without, _encoded(encode, off, without))
        for name, probe in PROBES.items():
            if not probe.on_set and (found := probe.features(seen)) is not None:
                one.on_control[name] = found
    return one


def _probe_all(
    looked: Mapping[str, list[Looked]], findings: Findings, run: Runner, progress: Progress
) -> None:
    work = sorted(looked.items())
    with closing(run.map(_probe, work)) as results:
        for done, ((name, _), result) in enumerate(zip(work, results, strict=True), 1):
            if isinstance(result, Failed):
                result = f"probes were not run, so leaks are unknown: {result.reason}"
            if isinstance(result, str):
                findings.warnings.append(Finding("note", name, result))
            else:
                findings.probes.extend(result)
                findings.errors.extend(_leak(one) for one in result if one.verdict == "leak")
            progress("probing", done, len(work))


def _probe(work: tuple[str, list[Looked]]) -> list[Probed] | str:
    """How far each probe of a task got, or why there are none."""
    task, looked = work
    videos = len({one.sample.video_ids[0] for one in looked})
    if videos < MIN_VIDEOS:
        return f"{videos} videos are too few for probes, which need {MIN_VIDEOS}: leaks unknown"
    # Without media the prompt is all there is to find the answer in.
    in_prompt = not any(one.sample.media for one in looked)
    results = priors.probes(task, looked, in_prompt)
    for name, probe in PROBES.items():
        on_set = unit_rows(looked, [one.on_set.get(name) for one in looked], probe.on_set)
        if on_set is not None:
            cue = name == "prompt" and in_prompt
            result = probed(task, name, "set", on_set, leak=probe.on_set and not cue)
            results.append(cuts.judged(result, looked) if name == "boundary" else result)
        control = unit_rows(looked, [one.on_control.get(name) for one in looked], False)
        if control is not None:
            results.append(probed(task, name, "control", control, leak=True))
    return results


def _leak(result: Probed) -> Finding:
    text = (
        f"{result.probe} on the {result.on} scores {result.score:.3f} "
        f"({result.interval[0]:.3f} to {result.interval[1]:.3f}), chance is {result.chance:.3f}"
    )
    return Finding("leak", result.task, f"{text}; {result.why}" if result.why else text)
