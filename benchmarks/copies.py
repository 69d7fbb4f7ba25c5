"""More files than there are videos: the same picture in a file with another hash."""

from __future__ import annotations


def copy_of(content: bytes, suffix: str, number: int) -> bytes:
    """A video file with an empty element appended, which every reader passes over.

    Args:
        content: of the file.
        suffix: ".mp4" or ".mkv".
        number: another one for each copy.
    """
    if suffix == ".mp4":  # a box "free" of 16 bytes
        return content + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
    return content + b"\xec\x88" + number.to_bytes(8, "big")  # an EBML Void of 8 bytes
