from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.evaluate.adapters.config import BenchmarkConfig
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.table import Row, table
from kuleshov.evaluate.backends import Reply, Request
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.runner import result_of
from kuleshov.sample import Sample
from tests.evaluate.adapters.miniatures import MINIATURES

CONFIG = BenchmarkConfig(num_frames=4, max_pixels=128 * 128)
Say = Callable[[Sample], str]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a miniature, written when it is first asked for."""
    written: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in written:
            written[name] = tmp_path_factory.mktemp(name)
            MINIATURES[name](written[name])
        return written[name]

    return folder


@pytest.fixture(scope="session")
def sets(
    folders: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The sample set of a miniature, likewise."""
    made: dict[str, Path] = {}

    def set_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("set") / name
            import_benchmark(name, folders(name), made[name], CONFIG)
        return made[name]

    return set_of


def said(samples: list[Sample], say: Say) -> list[Result]:
    """What a model that says so earns, by the path of every model."""
    shown = ((sample, Request(sample, [], "full", 0, 0), say(sample)) for sample in samples)
    return [result_of(r, Reply(text, "stop", 4, 9, (), (), "")) for _, r, text in shown]


def rows(name: str, data: Path, say: Say) -> dict[tuple[str, str], Row]:
    """The figures of such a model."""
    samples = load_samples(data)
    return {(row.name, row.metric): row for row in table(name, samples, said(samples, say))}
