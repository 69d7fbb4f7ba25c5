"""A finished set or model on the Hugging Face hub.

Everything is on disk before anything is uploaded, so that a failed upload loses nothing: the error
names the command that uploads again. A new repository is private; opening it is yours to do.
`HF_ENDPOINT` and `HF_TOKEN` are those of huggingface_hub.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from kuleshov.errors import HubError, UsageError

LEFT_OUT = ("*.tmp", "*.tmp/*", ".*", "view/*", "videos/*", "check.html")
"""Unfinished files, pages, and videos, which may not be yours to publish."""


def check(repo: str) -> None:
    """See before the work begins that its result can have this name.

    Raises:
        UsageError: huggingface_hub is missing, or the name is none.
    """
    if find_spec("huggingface_hub") is None:
        raise UsageError("--push-to-hub needs huggingface_hub; pip install huggingface_hub")
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # loaded lazily

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"--push-to-hub: {error}; allowed: user/name") from error


def push(folder: Path, repo: str, kind: Literal["model", "dataset"]) -> str:
    """Upload a folder and return its address.

    Args:
        folder: what to upload, without what `LEFT_OUT` names.
        repo: "user/name"; made, private, if there is none.
        kind: what the repository holds.

    Raises:
        HubError: the hub cannot be reached or refuses; the folder is as it was.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # its library's

    api = HfApi()
    try:
        made = api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, repo_type=kind, ignore_patterns=list(LEFT_OUT)
        )
    except (HTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        left_out = " ".join(f"--exclude '{pattern}'" for pattern in LEFT_OUT)
        raise HubError(
            f"{repo} was not pushed: {reason}. Everything is in {folder}, nothing is lost. See "
            "that the hub can be reached and that `hf auth whoami` knows you (`hf auth login`), "
            f"then push again: hf upload {repo} {folder} . --repo-type {kind} --private {left_out}"
        ) from error
    return str(made)
