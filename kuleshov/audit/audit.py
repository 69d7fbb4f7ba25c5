"""Everything, in one pass over the videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple, Self

from kuleshov.audit import cuts, learn, priors, sides, soundness
from kuleshov.audit.ambiguity import Version, ambiguities
from kuleshov.audit.evidence import Encoder, Evidence, FrameFile, Jpeg
from kuleshov.audit.findings import Finding, Findings, Probed
from kuleshov.audit.leaks import MIN_VIDEOS, Looked, probed, unit_rows
from kuleshov.audit.probes import PROBES
from kuleshov.audit.recompute import RECOMPUTED, contradictions
from kuleshov.dataset import SKIPS, harmed_files, iterate_rows, videos_root
from kuleshov.errors import KuleshovError
from kuleshov.locations import Location
from kuleshov.media import render_all
from kuleshov.progress import Progress
from kuleshov.rendered import encoded
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import TASKS, task_of

_TOGETHER = 8
"""Samples of a video whose pixels are in memory together, each with its control."""


def audit(
    out: Path,
    num_samples: int = 200,
    rendered: Path | None = None,
    every: bool = False,
    encode: Encoder | None = None,
    progress: Progress = lambda *_: None,
) -> Findings:
    """Check a sample set.

    Args:
        out: the folder that `kuleshov make` wrote.
        num_samples: of each task, whose frames are looked at and whose answers are probed; the
            first ones by id, which is a hash.
        rendered: a folder of `kuleshov render`, whose JPEG files are probed in the place of
            those that it would write.
        every: look at the frames of every sample; probes stay at `num_samples`.
        encode: how frames become files, in the place of the project's own encoding.
        progress: told of every sample and video.

    Raises:
        UsageError: no finished set in `out`, or none with JPEG in `rendered`.
    """
    samples, root = [], videos_root(out)
    findings = Findings()
    for row in iterate_rows(out):
        if isinstance(row, Sample):
            samples.append(row)
        else:
            findings.errors.append(Finding("wrong", "", row.why, row.where))
    if why := harmed_files(out, ()).get(SKIPS):
        findings.errors.append(Finding("wrong", "", f"the file {why}", SKIPS))
    sound: dict[str, list[Sample]] = {}
    for sample in samples:
        found = soundness.of_sample(sample)
        findings.errors.extend(found)
        if not found:
            sound.setdefault(sample.entry, []).append(sample)
    findings.errors.extend(sides.on_both_sides(samples, root, progress))
    for name, here in sorted(sound.items()):
        floor = priors.floor(here)
        findings.floors.append(floor)
        findings.warnings.extend(priors.warnings(here, floor))
        if here[0].task not in RECOMPUTED:
            findings.not_recomputed.append(name)
    looked = _look_at(sound, root, num_samples, every, _Files(rendered, encode), findings, progress)
    if not learn.available():
        text = "probes were not run, so leaks are unknown; pip install 'kuleshov[audit]'"
        findings.warnings.append(Finding("note", "", text))
    for name, ones in sorted(looked.items()):
        _probe(name, ones, findings, progress)
    return findings


class _Files:
    """The files of a sample's frames: those of a rendered set, or made now."""

    def __init__(self, rendered: Path | None, encode: Encoder | None) -> None:
        self.encode = encode or Jpeg()
        self.rendered: dict[str, list[list[FrameFile]]] = {}
        for row in encoded(rendered) if rendered else ():
            self.rendered[row.sample.id] = [[FrameFile.of(f) for f in item] for item in row.files]

    def of(self, sample: Sample, pixels: Sequence[Pixels], on_set: bool) -> list[list[FrameFile]]:
        if on_set and sample.id in self.rendered:
            return self.rendered[sample.id]
        return [self.encode(item, p) for item, p in zip(sample.media, pixels, strict=True)]


def _look_at(
    sound: dict[str, list[Sample]],
    root: Location,
    num_samples: int,
    every: bool,
    files: _Files,
    findings: Findings,
    progress: Progress,
) -> dict[str, list[Looked]]:
    """Render, note what is wrong, and keep the features of those that are in order."""
    first = {s.id for here in sound.values() for s in sorted(here, key=_id)[:num_samples]}
    wanted = [s for here in sound.values() for s in here if every or s.id in first]
    looked: dict[str, list[Looked]] = {}
    done = 0
    for group in _together(wanted):
        others = {s.id: _Others.of(s) for s in group}
        for sample, shown, off, without, versions in _rendered(group, others, root, findings):
            findings.examined[sample.entry] = findings.examined.get(sample.entry, 0) + 1
            found = _faults(sample, shown, off, without, versions)
            findings.errors.extend(found)
            if sample.id in first and not found and _is_ours(sample) and learn.available():
                one = _evidence(sample, shown, off, without, files)
                looked.setdefault(sample.entry, []).append(one)
        done += len(group)
        progress("looking at samples", done, len(wanted))
    return looked


def _is_ours(sample: Sample) -> bool:
    """Whether the recipe says what was done to the frames: not of given and published questions."""
    return sample.task in TASKS and not sample.made_elsewhere


def _id(sample: Sample) -> str:
    return sample.id


def _together(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """The samples by video, few at a time; each time their video is decoded once."""
    by_video = sorted(samples, key=lambda s: (s.video_ids, s.id))
    for _, group in groupby(by_video, key=lambda s: s.video_ids[:1]):
        while some := list(islice(group, _TOGETHER)):
            yield some


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


_Rendered = tuple[Sample, list[Pixels], Sample | None, list[Pixels] | None, list[Version]]


def _rendered(
    group: list[Sample], others: Mapping[str, _Others], root: Location, findings: Findings
) -> Iterator[_Rendered]:
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
            findings.errors.append(soundness.unrenderable(group[0], error))
            return
        for sample in group:
            yield from _rendered([sample], others, root, findings)
        return
    for sample, at in zip(group, places, strict=True):
        off, versions = others[sample.id]
        shown, *compared = [pixels[i] for i in at]
        without = None if off is None else compared[-1]
        yield sample, shown, off, without, list(zip(versions, compared, strict=False))


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
    files: _Files,
) -> Looked:
    units = task_of(sample).units(sample)
    one = Looked(sample, units)
    seen = Evidence(sample, units, shown, files.of(sample, shown, True))
    for name, probe in PROBES.items():
        if (found := probe.features(seen)) is not None:
            one.on_set[name] = found
    one.cuts = cuts.shown_cuts(seen)
    if off is not None and without is not None:
        seen = Evidence(off, units, without, files.of(off, without, False))
        for name, probe in PROBES.items():
            if not probe.on_set and (found := probe.features(seen)) is not None:
                one.on_control[name] = found
    return one


def _probe(task: str, looked: list[Looked], findings: Findings, progress: Progress) -> None:
    videos = len({one.sample.video_ids[0] for one in looked})
    if videos < MIN_VIDEOS:
        text = f"{videos} videos are too few for probes, which need {MIN_VIDEOS}: leaks unknown"
        findings.warnings.append(Finding("note", task, text))
        return
    # Without media the prompt is all there is to find the answer in.
    in_prompt = not any(one.sample.media for one in looked)
    results = priors.probes(task, looked, in_prompt)
    for done, (name, probe) in enumerate(PROBES.items(), 1):
        on_set = unit_rows(looked, [one.on_set.get(name) for one in looked], probe.on_set)
        if on_set is not None:
            cue = name == "prompt" and in_prompt
            result = probed(task, name, "set", on_set, leak=probe.on_set and not cue)
            results.append(cuts.judged(result, looked) if name == "boundary" else result)
        control = unit_rows(looked, [one.on_control.get(name) for one in looked], False)
        if control is not None:
            results.append(probed(task, name, "control", control, leak=True))
        progress(f"probing {task}", done, len(PROBES))
    findings.probes.extend(results)
    findings.errors.extend(_leak(result) for result in results if result.verdict == "leak")


def _leak(result: Probed) -> Finding:
    text = (
        f"{result.probe} on the {result.on} scores {result.score:.3f} "
        f"({result.interval[0]:.3f} to {result.interval[1]:.3f}), chance is {result.chance:.3f}"
    )
    return Finding("leak", result.task, f"{text}; {result.why}" if result.why else text)
