"""Folders, read recursively, and globs such as "data/**/*.mp4"."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path, PurePosixPath
from typing import NamedTuple, final

from kuleshov.errors import UsageError
from kuleshov.locations import (
    Location,
    Remote,
    entries,
    exists,
    is_folder,
    location,
    outside,
    reason,
    within,
)
from kuleshov.sample import Skip
from kuleshov.sources.source import Found, Source

SUFFIXES = (
    *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
"""File name endings, in lower case, that are taken for videos."""

EVERYTHING = ("**",)


@final
class Folder(Source):
    """All files of a folder that are named like videos and not hidden, sorted by path."""

    def takes(self) -> bool:
        return is_folder(self.where)

    def find(self) -> Found:
        return videos_below(self.where, EVERYTHING, self.asked.root_or(self.where))


@final
class Glob(Source):
    """The files that a pattern names and that are named like videos, sorted by path.

    The root is what stands before the first wildcard. `**` stands for any number of folders. A
    name that is there is taken as it stands, with whatever brackets it has.
    """

    def takes(self) -> bool:
        return has_wildcard(self.asked.address)

    def find(self) -> Found:
        folder, pattern = split_glob(self.asked.address)
        return videos_below(folder, pattern, self.asked.root_or(folder))


def has_wildcard(address: str) -> bool:
    return any(character in address for character in "*?[")


def is_glob(address: str) -> bool:
    """Whether it is a pattern, and not the name of something that is there."""
    return has_wildcard(address) and not exists(location(address))


def split_glob(address: str) -> tuple[Location, list[str]]:
    """(the folder before the first wildcard, the pattern below it).

    >>> split_glob("memory://bucket/data/**/*.mp4")
    (Remote(root='memory://bucket/data', path=''), ['**', '*.mp4'])
    """
    parts = address.split("/")
    first = next(
        (
            i
            for i, part in enumerate(parts)
            if has_wildcard(part) and is_glob(_join(parts[: i + 1]))
        ),
        None,
    )
    if first is None:  # a file whose name looks like a pattern
        return location(_join(parts[:-1])), [escape(parts[-1])]
    return location(_join(parts[:first])), [part for part in parts[first:] if part]


def _join(parts: Sequence[str]) -> str:
    return "/".join(parts) or ("/" if parts else ".")


def videos_below(folder: Location, pattern: Sequence[str], root: Location) -> Found:
    """The files below a folder that match and are named like videos, relative to a root.

    Raises:
        UsageError: it is no folder that can be listed, or there are none.
    """
    if not is_folder(folder):
        raise UsageError(f"{folder} is not a folder; give the folder that holds the videos")
    paths: list[str] = []
    skips: list[Skip] = []
    for path, is_link in walk(folder, pattern, SUFFIXES, skips):
        kept = _under(root, folder, path, is_link)
        if kept is None:
            skips.append(Skip(path, outside(root)))
        else:
            paths.append(kept)
    if not paths and not skips:
        raise UsageError(
            f"no videos below {folder}; files are taken by their ending: {' '.join(SUFFIXES)}"
        )
    return Found(root, sorted(set(paths)), sorted(skips, key=lambda skip: skip.path))


def _under(root: Location, folder: Location, path: str, is_link: bool) -> str | None:
    """A path below `folder` as one below `root`; None where it is not."""
    if root == folder:
        # Only a link can lead out of the folder that was walked.
        return within(root, path) if is_link else path
    if isinstance(folder, Remote):
        return within(root, str(folder / path))
    return within(root, os.path.abspath(folder / path))


class Match(NamedTuple):
    """A file that was found, with forward slashes."""

    path: str
    is_link: bool


def walk(
    folder: Location, pattern: Sequence[str], suffixes: Sequence[str], skips: list[Skip]
) -> list[Match]:
    """The files below a folder that match a pattern, sorted by path.

    Links to folders are not entered; those that lead out of `folder` would be missed without a
    word, so that they become skips, as folders do that cannot be listed.

    Args:
        folder: where to look.
        pattern: the parts of a glob.
        suffixes: endings of names, in lower case; others are passed over.
        skips: what cannot be looked into is added here.

    Raises:
        UsageError: the folder itself cannot be listed.
    """
    found: list[Match] = []
    waiting: list[str] = [""]
    while waiting:
        inner = waiting.pop()
        try:
            here = entries(folder / inner if inner else folder)
        except OSError as error:
            if not inner:
                raise UsageError(
                    f"{folder} cannot be listed: {reason(error)}; give a folder that you may read"
                ) from error
            skips.append(Skip(inner, f"cannot be listed: {reason(error)}"))
            continue
        for entry in here:
            path = f"{inner}/{entry.name}" if inner else entry.name
            parts = path.split("/")
            if entry.is_folder:
                if not _leads(parts, pattern):
                    continue
                if not entry.is_link:
                    waiting.append(path)
                elif within(folder, path) is None:
                    skips.append(
                        Skip(path, f"is a link to a folder outside of {folder}; give that folder")
                    )
            elif PurePosixPath(path).suffix.lower() in suffixes and _matches(parts, pattern):
                found.append(Match(path, entry.is_link))
    return sorted(found)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**" and _matches(parts, pattern[1:]):
        return True
    rest = pattern if pattern[0] == "**" else pattern[1:]
    return bool(parts) and _fits(parts[0], pattern[0]) and _matches(parts[1:], rest)


def _leads(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a folder may hold matches."""
    if not parts:
        return bool(pattern)
    if not pattern:
        return False
    if pattern[0] == "**" and not any(_is_hidden(part) for part in parts):
        return True
    rest = pattern if pattern[0] == "**" else pattern[1:]
    return _fits(parts[0], pattern[0]) and _leads(parts[1:], rest)


def _fits(name: str, part: str) -> bool:
    """As in a shell, a wildcard stands for no hidden name: most are what other programs left."""
    if _is_hidden(name) and not _is_hidden(part):
        return False
    return part == "**" or name == part or fnmatchcase(name, part)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def parent(where: Location) -> Location:
    """The folder that a file lies in."""
    if isinstance(where, Path):
        return where.parent
    return location(str(where).rsplit("/", 1)[0])
