"""What this machine has: for `kuleshov doctor` and for the run folders."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "kuleshov",
    "av",
    "numpy",
    "pillow",
    "pyarrow",
    "torch",
    "torchvision",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results; "missing" if not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def doctor() -> dict[str, Any]:
    """Versions, decoder, codecs and devices, as names and values for people."""
    import av

    report: dict[str, Any] = {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        **versions(),
        "ffmpeg": " ".join(
            f"{name} {'.'.join(map(str, numbers))}"
            for name, numbers in sorted(av.library_versions.items())
        ),
    }
    for name in ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "h263"):
        report[f"decodes {name}"] = "yes" if _decodes(name) else "no"
    try:
        import torch
    except ImportError:
        report["gpu"] = "unknown: torch is missing; pip install 'kuleshov[train]'"
    else:
        count = torch.cuda.device_count()
        report["gpu"] = ", ".join(map(torch.cuda.get_device_name, range(count))) or "none"
    return report


def _decodes(name: str) -> bool:
    import av

    try:
        av.Codec(name, "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
