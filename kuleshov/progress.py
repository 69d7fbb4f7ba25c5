"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Progress = Callable[[str, int, int], None]
"""Called as `progress(what, done, total)`; the command line draws a bar for each `what`."""

Figures = Callable[[str, int, int, Mapping[str, float]], None]
"""Called as `figures(what, done, total, logged)` with what training has logged at a step."""
