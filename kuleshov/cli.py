"""The command line. Every command only reads its arguments, calls its stage and prints.

Exit codes: 0 fine, 1 findings (samples that fail the check, none made or rendered), 2 usage.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kuleshov.errors import KuleshovError, UsageError
from kuleshov.live import live

if TYPE_CHECKING:
    from kuleshov.endpoint import Endpoint

app = typer.Typer(
    help="Self-supervised reinforcement learning for Video LLMs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

Data = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that `kuleshov make` wrote.")]
Config = Annotated[Path | None, typer.Option("--config", help="Recipe (YAML); flags win over it.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="A.B=C",
        help="Set one key of the command's section, such as seed=1; wins over all else; repeat "
        "for several. All keys: docs/config.md.",
    ),
]
PUSH = "REPO of the Hugging Face hub to which {what} is uploaded when it is on disk."


@app.command()
def make(
    videos: Annotated[
        str,
        typer.Argument(
            help="Folder of videos, read recursively; a glob in quotes; a list of paths (.txt, "
            ".csv, .jsonl, .parquet); a saved Hugging Face dataset; or an address such as "
            "s3://bucket/videos."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    task: Annotated[
        list[str] | None, typer.Option(help="Task to make; repeat for several.")
    ] = None,
    setting: Annotated[str | None, typer.Option(help="default or paper.")] = None,
    per_video: Annotated[int | None, typer.Option(help="Samples per video and task.")] = None,
    held_out: Annotated[float | None, typer.Option(help="Share of videos held out.")] = None,
    config: Config = None,
    share: Annotated[
        float | None, typer.Option(help="Of the recipe's counts: a smaller set of the mixture.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one a core if not given; change no sample.")
    ] = None,
    runner: Annotated[str | None, typer.Option(help="local or ray; changes no sample.")] = None,
    root: Annotated[
        str | None, typer.Option(help="Folder that holds all videos; paths in a list start there.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of a list or table that names the videos.")
    ] = None,
    sets: Sets = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO", help=PUSH.format(what="the set"))
    ] = None,
) -> None:
    """Make pretext-task samples from videos.

    Example: kuleshov make videos -o samples --task jigsaw --per-video 2
    """
    from kuleshov import hub
    from kuleshov.recipe import load
    from kuleshov.synthesize import MakeConfig
    from kuleshov.synthesize import make as run

    changes: dict[str, Any] = {
        "tasks": None if task is None else {name: {} for name in task},
        "setting": setting,
        "per_video": per_video,
        "held_out": held_out,
        "share": share,
        "seed": seed,
        "workers": workers,
        "runner": runner,
        "root": root,
        "column": column,
    }
    settings = load(config, "make", MakeConfig, changes, {"workers": None}, sets or ())
    if push_to_hub is not None:
        hub.check(push_to_hub)
    with live(err) as shown:
        summary = run(videos, output, settings, shown.progress)
    _made(summary, output)
    if push_to_hub is not None:
        out.print(hub.push(output, push_to_hub, "dataset"), soft_wrap=True)


@app.command("import")
def import_rows(
    rows: Annotated[Path, typer.Argument(help="Parquet file, or folder of some: VideoSSR-30K.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    frames: Annotated[str, typer.Option(help="Folder that the paths in the rows start from.")],
    prefix: Annotated[str, typer.Option(help="Start of these paths that is left out.")] = "",
    held_out: Annotated[
        float, typer.Option(help="Share of videos held out; 1 for a benchmark.")
    ] = 0.0,
    workers: Annotated[int | None, typer.Option(help="Processes; change no sample.")] = None,
) -> None:
    """Make a sample set of published rows and frames: VideoSSR-30K, VIUBench.

    Example: kuleshov import viubench/rows -o samples --frames viubench/frames --held-out 1
    """
    from kuleshov.published import PublishedConfig
    from kuleshov.published import import_rows as run

    settings = PublishedConfig(frames=frames, prefix=prefix, held_out=held_out, workers=workers)
    with live(err) as shown:
        summary = run(rows, output, settings, shown.progress)
    _made(summary, output)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="mvbench, video_mme, charades_sta, ...")],
    folder: Annotated[Path, typer.Argument(help="Where it lies, in its published layout.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    videos: Annotated[str | None, typer.Option(help="Folder of its videos, if not FOLDER.")] = None,
    options: Annotated[
        str, typer.Option(help="Order of options: published, shuffled or circular.")
    ] = "published",
    num_frames: Annotated[int, typer.Option(help="Frames shown of each video.")] = 32,
    max_pixels: Annotated[int, typer.Option(help="Largest area of a frame.")] = 512 * 512,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Leave out questions whose videos are missing.")
    ] = False,
    judged: Annotated[
        bool, typer.Option("--judged", help="Free text is graded by eval.judge of a recipe.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; change no sample.")] = None,
) -> None:
    """Make a sample set of a published benchmark that lies in a local folder.

    Example: kuleshov benchmark mvbench MVBench -o samples
    """
    from kuleshov.evaluate.adapters.config import BenchmarkConfig
    from kuleshov.evaluate.adapters.importing import import_benchmark

    settings = BenchmarkConfig(
        videos=videos,
        options=options,
        num_frames=num_frames,
        max_pixels=max_pixels,
        go_on=go_on,
        judged=judged,
        workers=workers,
    )
    with live(err) as shown:
        summary = import_benchmark(name, folder, output, settings, shown.progress)
    if summary["missing"]:
        count = len(summary["missing"])
        err.print(f"{count} videos are missing: this is not the whole benchmark", soft_wrap=True)
    _made(summary, output)


@app.command()
def check(
    data: Data,
    samples: Annotated[
        int, typer.Option(help="Of each task, whose frames are looked at and probed.")
    ] = 200,
    rendered: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Probe the files of `kuleshov render`.")
    ] = None,
    drop: Annotated[
        Path | None,
        typer.Option(
            metavar="CLEAN", help="Look at all samples and write the set without faulty ones."
        ),
    ] = None,
) -> None:
    """Try to cheat: is each sample sound, and can answers be had without watching?

    Example: kuleshov check samples --drop clean
    """
    from kuleshov.audit import audit
    from kuleshov.audit.clean import write_clean
    from kuleshov.report.check import write_check

    with live(err) as shown:
        findings = audit(data, samples, rendered, every=drop is not None, progress=shown.progress)
    table = _table("task", "samples", "chance", "best constant", "which is")
    for floor in findings.floors:
        figures = f"{floor.chance:.3f}", f"{floor.best_constant:.3f}"
        table.add_row(floor.task, str(floor.samples), *figures, floor.constant)
    out.print(table)
    if findings.probes:
        table = _table("task", "probe", "on", "score", "interval", "chance", "verdict")
        for row in findings.worst():
            ends = f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
            values = f"{row.score:.3f}", ends, f"{row.chance:.3f}"
            table.add_row(row.task, row.probe, row.on, *values, row.verdict)
        out.print(table)
    if findings.not_recomputed:
        out.print(f"answers not computed again: {', '.join(findings.not_recomputed)}")
    for warning in findings.warnings:
        err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    for error in findings.errors:
        err.print(f"error: {error}", markup=False, soft_wrap=True)
    page = data / "check.html"
    write_check(page, data.name, findings)
    out.print(str(page), soft_wrap=True)
    if drop is not None:
        summary = write_clean(data, findings, drop)
        dropped = f"{len(findings.faulty())} dropped"
        out.print(f"{summary['samples']} samples in {drop}, {dropped}", soft_wrap=True)
    out.print(f"{len(findings.errors)} errors, {len(findings.warnings)} warnings")
    if findings.errors:
        raise typer.Exit(1)


@app.command()
def view(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder to write; OUT/view if not given."
        ),
    ] = None,
    sheets: Annotated[
        str, typer.Option(help="Samples of each task that get a contact sheet: a number, or all.")
    ] = "20",
    workers: Annotated[int | None, typer.Option(help="Processes; change no byte.")] = None,
) -> None:
    """Write a page that shows samples as a model sees them, and what was skipped.

    Example: kuleshov view samples --sheets 100
    """
    from kuleshov.report.view import view as run

    with live(err) as shown:
        viewed = run(data, output or data / "view", _count(sheets), workers, shown.progress)
    out.print(f"{viewed.samples} samples, {viewed.sheets} with a sheet, and {viewed.skips} skips")
    if viewed.failed:
        err.print(f"{viewed.failed} sheets cannot be drawn; the page says why")
    out.print(str(viewed.page), soft_wrap=True)


@app.command()
def pairs(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Page to write; OUT/pairs.html if not given."
        ),
    ] = None,
    keys: Annotated[
        str, typer.Option(help="Key frames by evidence, change, motion, novelty or relevance.")
    ] = "evidence",
    paper: Annotated[
        bool, typer.Option(help="The published setting: every maximum of relevance.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Embeds frames and keywords, for relevance.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            help="Add frames where nothing happens to captions and questions, until no more than "
            "this share are key frames."
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Finds keywords, for relevance; else YAKE does."),
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="What the endpoint calls it.")] = None,
    count: Annotated[int, typer.Option(help="Pairs of each task that are shown.")] = 5,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the samples with their key frames to this folder, for training with "
            "degraded: key_frames, instead of the page.",
        ),
    ] = None,
) -> None:
    """Show samples beside the same without their key frames, or write down what these are.

    Example: kuleshov pairs samples --keys novelty
    """
    from kuleshov.keyed import write_keyed
    from kuleshov.keywords import asked, extracted
    from kuleshov.pairing import BLIP2, Keywords, Pairing
    from kuleshov.report.pairs import write

    pairing = replace(
        Pairing.paper() if paper else Pairing(keys=keys), model=model or BLIP2, share=share
    )
    if endpoint is not None and pairing.keys != "relevance":
        raise UsageError(f"--endpoint finds keywords for relevance; --keys is {pairing.keys}")
    with _asked_at(endpoint, model_name) as found:
        keywords: Keywords = extracted if found is None else lambda text: asked(text, found.ask)
        if into is not None:
            with live(err) as progress:
                counts = write_keyed(data, into, pairing, keywords, progress.progress)
            table = _table("key frames", "samples")
            for kind, number in counts.items():
                table.add_row(kind.replace("_", " "), str(number))
            out.print(table)
            out.print(str(into), soft_wrap=True)
            return
        page = output or data / "pairs.html"
        shown, without = write(data, page, pairing, count, keywords)
    out.print(f"{shown} pairs; {without} of the samples looked at have none")
    out.print(str(page), soft_wrap=True)


@app.command()
def curate(
    clips: Annotated[Path, typer.Argument(help="Folder of captioned clips.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    layout: Annotated[str, typer.Option(help="As published: celebv_hq, hmdb51 or mm_au.")],
    endpoint: Annotated[str, typer.Option(metavar="URL", help="Sees frames and describes them.")],
    model_name: Annotated[str, typer.Option(help="What the endpoint calls the model.")],
    annotation: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of the collection; CLIPS for hmdb51.")
    ] = None,
    rule: Annotated[
        str, typer.Option(help="Transient are events of at most 1 second, or of 5 frames.")
    ] = "seconds",
) -> None:
    """Make captions and questions about transient events, for make.labelled of a recipe.

    Example: kuleshov curate hmdb51 -o rows --layout hmdb51 --endpoint URL --model-name NAME
    """
    from kuleshov.curate.build import Curation, write
    from kuleshov.curate.build import curate as run
    from kuleshov.curate.sources import SOURCES
    from kuleshov.curate.transient import Transient
    from kuleshov.endpoint import Endpoint
    from kuleshov.errors import unknown_name

    if layout not in SOURCES:
        raise unknown_name("layout", layout, SOURCES)
    settings = Curation(transient=Transient(rule=rule))  # type: ignore[arg-type]  # it is checked
    with Endpoint(endpoint, model_name) as model:
        curated = run(SOURCES[layout](annotation or clips), clips, model.see, settings)
    summary = write(curated, output)
    table = _table("left out", "times")
    for reason, times in curated.reasons.items():
        table.add_row(reason, str(times))
    out.print(table)
    out.print(f"{summary['rows']} rows on {summary['videos']} videos in {output / 'rows.jsonl'}")
    if not curated.rows:
        raise typer.Exit(1)


@app.command()
def render(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    format: Annotated[str, typer.Option(help="parquet, tar (frames as JPEG) or mp4.")] = "parquet",
    quality: Annotated[
        int | None,
        typer.Option(help="JPEG quality (default 80); for mp4 the quantizer (default 22)."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; change no byte.")] = None,
) -> None:
    """Write the frames of a sample set into files, for engines that need them.

    Example: kuleshov render samples -o rendered --format mp4
    """
    from kuleshov.rendered import RenderConfig, render_set

    settings = RenderConfig(format=format, quality=quality, workers=workers)
    with live(err) as shown:
        summary = render_set(data, output, settings, shown.progress)
    megabytes = f"{summary['bytes'] / 1e6:.1f} MB"
    out.print(f"{summary['samples']} samples and {summary['skips']} skips in {output}, {megabytes}")
    if not summary["samples"]:
        err.print(f"nothing was rendered; {output / 'skips.jsonl'} says why")
        raise typer.Exit(1)


@app.command()
def train(
    data: Data,
    model: Annotated[str, typer.Option(help="Name or path of a Hugging Face Video LLM.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Run folder.")],
    config: Config = None,
    seed: Annotated[int | None, typer.Option(help="Of the order and the rollouts.")] = None,
    sets: Sets = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO", help=PUSH.format(what="the model"))
    ] = None,
) -> None:
    """Train a model on a sample set: an optional cold start, then GRPO.

    On several GPUs: accelerate launch --config_file recipes/accelerate/8_gpu.yaml -m kuleshov
    train ...

    Example: kuleshov train samples --model Qwen/Qwen3-VL-2B-Instruct -o runs/first
    """
    from kuleshov import hub
    from kuleshov.recipe import load
    from kuleshov.train.config import TrainConfig

    settings = load(config, "train", TrainConfig, {"seed": seed}, sets=sets or ())
    if push_to_hub is not None:
        hub.check(push_to_hub)
    with _training():
        from kuleshov.train.pipeline import train as run

        with live(err) as shown:
            trained = run(data, model, output, settings, shown.progress, shown.figures)
    if not _main_process():
        return
    out.print(str(trained), soft_wrap=True)
    if push_to_hub is not None:
        out.print(hub.push(trained, push_to_hub, "model"), soft_wrap=True)


@app.command()
def plan(
    model: Annotated[str, typer.Option(help="Name of a published size, see docs/training.md.")],
    config: Config = None,
    processes: Annotated[int, typer.Option(help="GPUs, each with a process of its own.")] = 1,
    shard: Annotated[
        bool, typer.Option(help="Share weights, gradients and optimizer over the GPUs (FSDP).")
    ] = False,
    sets: Sets = None,
) -> None:
    """Say what a training would do, without weights, videos or a GPU.

    Builds the model in its real size without memory for its weights, sees what of it is trained,
    and prints how a step is divided and an estimate of the memory of each GPU.

    Example: kuleshov plan --model Qwen/Qwen3-VL-8B-Instruct --processes 8 --shard
    """
    from kuleshov.recipe import load
    from kuleshov.synthesize import MakeConfig
    from kuleshov.train.config import TrainConfig

    settings = load(config, "train", TrainConfig, {}, sets=sets or ())
    made = load(config, "make", MakeConfig, {})
    with _training():
        from kuleshov.train.plan import plan as look

        planned = look(model, settings, made, processes, shard)
    table = _table("what", "is")
    table.columns[1].justify = "left"
    for name, value in planned.rows():
        table.add_row(name, value)
    out.print(table)


@app.command("eval")
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="Name or path of a Hugging Face Video LLM; or a floor: policy:random, "
            "policy:best_constant, policy:majority."
        ),
    ],
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Run folder.")],
    config: Config = None,
    sets: Sets = None,
    backend: Annotated[str | None, typer.Option(help="transformers, vllm or openai.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="For openai: http://127.0.0.1:8000/v1.")
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(help="What the endpoint calls it, if not MODEL.")
    ] = None,
) -> None:
    """Ask a model the held-out questions, with the video and without.

    Example: kuleshov eval runs/first/model samples -o runs/first-eval
    """
    from kuleshov.evaluate.config import EvalConfig
    from kuleshov.evaluate.policies import PREFIX, evaluate_policy
    from kuleshov.recipe import load

    changes = {"backend": backend, "endpoint": endpoint, "model_name": model_name}
    settings = load(config, "eval", EvalConfig, changes, sets=sets or ())
    if model.startswith(PREFIX):
        results = evaluate_policy(model, data, output, settings)
    else:
        # An endpoint needs no torch here.
        with nullcontext() if settings.backend == "openai" else _training():
            from kuleshov.evaluate.runner import evaluate as run

            with live(err) as shown:
                results = run(model, data, output, settings, shown.progress)
    table = _table("task", "condition", "items", "mean reward", "no answer")
    for key in sorted({(r.task, r.condition) for r in results}):
        here = [r for r in results if (r.task, r.condition) == key]
        mean = sum(r.score for r in here) / len(here)
        failed = sum(not r.parsed for r in here) / len(here)
        table.add_row(*key, str(len(here)), f"{mean:.3f}", f"{failed:.1%}")
    out.print(table)
    _benchmark(data, results)


@app.command()
def freeze(
    data: Data,
    name: Annotated[str | None, typer.Option(help="Of the benchmark; the folder's.")] = None,
    samples: Annotated[int, typer.Option(help="Of each task, that the audit looks at.")] = 200,
) -> None:
    """Audit a sample set and freeze it as a benchmark, which eval then verifies.

    Example: kuleshov freeze viubench
    """
    from kuleshov.audit import audit
    from kuleshov.evaluate.bench import MANIFEST
    from kuleshov.evaluate.bench import freeze as run

    with live(err) as shown:
        findings = audit(data, samples, progress=shown.progress)
    run(data, name or data.resolve().name, findings)
    _audited([str(error) for error in findings.errors])
    out.print(str(data / MANIFEST), soft_wrap=True)


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders: the base model's evaluation, the training, the trained model's "
            "evaluation, with several seeds each of them; for each sample set. Or a lone one.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="PAGE", help="A folder, or a page: x.html."),
    ] = Path("report"),
    sheets: Annotated[
        str, typer.Option(help="Contact sheets: N items of each task, or all.")
    ] = "20",
    fail_on_regress: Annotated[
        bool, typer.Option(help="Exit with 1 if a task has become worse, its interval below 0.")
    ] = False,
) -> None:
    """Write a page on one evaluated model, or on two with the training between them.

    Example: kuleshov report runs/base-eval runs/first runs/first-eval -o report.html
    """
    from kuleshov.report.build import build, page_of
    from kuleshov.report.compared import regressed

    with live(err) as shown:
        rows = build(runs, output, sheets=_count(sheets), workers=None, progress=shown.progress)
    out.print(str(page_of(output)), soft_wrap=True)
    if fail_on_regress:
        for name, row in rows.items():
            if row.interval is None:
                err.print(
                    f"{name}: not known whether it has become worse: {row.videos} videos are too "
                    "few for an interval",
                    markup=False,
                    soft_wrap=True,
                )
        for name in (worse := regressed(rows)):
            row = rows[name]
            err.print(
                f"{name} has become worse: {row.difference:+.3f}, 95 % interval {row.interval}",
                markup=False,
                soft_wrap=True,
            )
        if worse:
            raise typer.Exit(1)


@app.command()
def demo(
    videos: Annotated[Path | None, typer.Argument(help="Your own folder of videos.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder.")] = Path("runs/demo"),
    config: Config = None,
) -> None:
    """Run the whole way on small settings and write a report.

    Example: kuleshov demo
    """
    from kuleshov.recipe import packaged

    recipe = config or packaged("demo.yaml")
    settings = recipe.read_text(encoding="utf-8")
    out.print(f"settings of {recipe}:\n{settings}", markup=False, highlight=False, soft_wrap=True)
    with _training():
        from kuleshov.demo import demo as run

        with live(err) as shown:
            page = run(recipe, output, videos, shown.progress, shown.figures)
    out.print(str(page.resolve()), soft_wrap=True)


@app.command()
def doctor() -> None:
    """Print decoder, codecs, torch, GPU and versions.

    Example: kuleshov doctor
    """
    from kuleshov.environment import doctor as look

    table = _table("what", "found")
    table.columns[1].justify = "left"
    for name, value in look().items():
        table.add_row(name, str(value))
    out.print(table)


def main() -> None:
    """The entry point: errors that were raised on purpose are one line, without a traceback."""
    try:
        app(standalone_mode=True)
    except KuleshovError as error:
        err.print(f"kuleshov: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@contextmanager
def _asked_at(endpoint: str | None, model_name: str | None) -> Iterator[Endpoint | None]:
    """The language model of the options; None where none is named."""
    if endpoint is None:
        yield None
        return
    if model_name is None:
        raise UsageError("--endpoint needs --model-name: what the endpoint calls the model")
    from kuleshov.endpoint import Endpoint

    with Endpoint(endpoint, model_name) as found:
        yield found


def _main_process() -> bool:
    """Whether this is the process that speaks, of those that `accelerate launch` starts."""
    return os.environ.get("RANK", "0") == "0"


def _count(sheets: str) -> int | None:
    """How many contact sheets an option asks for; None for all."""
    if sheets != "all" and not sheets.isdecimal():
        raise UsageError(f"--sheets is {sheets!r}; allowed: a number or all")
    return None if sheets == "all" else int(sheets)


def _made(summary: dict[str, Any], output: Path) -> None:
    """What a set holds, and what it lacks."""
    table = _table("task", "train", "held out")
    for name, count in summary["tasks"].items():
        table.add_row(name, str(count["train"]), str(count["held_out"]))
    out.print(table)
    out.print(f"{summary['samples']} samples and {summary['skips']} skips in {output}")
    for name, count in summary.get("mixture", {}).items():
        if count["missing"]:
            err.print(
                f"{name}: {count['missing']} of {count['wanted']} samples are missing; give more "
                f"videos, or raise per_video or make.per_task.{name}",
                soft_wrap=True,
            )
    if not summary["samples"]:
        err.print(f"no sample was made; {output / 'skips.jsonl'} says why")
        raise typer.Exit(1)


def _benchmark(data: Path, results: list[Any]) -> None:
    """The published metrics of a benchmark, and what the audit of a frozen one found."""
    from kuleshov.dataset import load_samples
    from kuleshov.evaluate.adapters.table import benchmark_of
    from kuleshov.evaluate.adapters.table import table as published
    from kuleshov.evaluate.bench import MANIFEST, load
    from kuleshov.evaluate.metrics import published_table

    if (name := benchmark_of(data)) is not None:
        asked = {r.sample for r in results}
        table = _table(name, "metric", "items", "value", "95 %", "no answer")
        lines = published(name, [s for s in load_samples(data) if s.id in asked], results)
        for line in lines:
            if line.value is not None:
                table.add_row(*line.cells())
        out.print(table)
        for line in lines:
            if line.value is None:
                out.print(f"{line.metric}: not computed, {line.why}", soft_wrap=True)
    if not (data / MANIFEST).is_file():
        return
    manifest = load(data)
    table = _table(manifest["name"], "metric", "items", "value")
    for row in published_table(results, load_samples(data)):
        table.add_row(row.name, row.metric, str(row.n), f"{row.value:.3f}")
    out.print(table)
    _audited(manifest["audit"]["errors"])


def _audited(errors: list[str]) -> None:
    out.print(f"audit: {len(errors)} errors")
    for error in errors:
        err.print(f"error: {error}", markup=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


@contextmanager
def _training() -> Iterator[None]:
    """Import what needs torch with a clear error if it is missing, and without chatter."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        import datasets
        import transformers
        import trl
    except ImportError as error:
        raise UsageError(
            f"this command needs {error.name}, which is not installed; "
            "pip install 'kuleshov[train]'"
        ) from error
    del trl
    # TRL 1.16 uses names that transformers 5.23 is about to rename; nothing a user can act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    yield
