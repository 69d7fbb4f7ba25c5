"""What the checks of a preflight say, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from kuleshov.environment import versions
from kuleshov.sample import Json, dump_json

FINE, NOTE, WARNING, WRONG, SKIPPED = "fine", "note", "warning", "wrong", "not tried"
"""What a check may come to. Wrong: a training would fail, or learn from something else than what
the samples show. A warning: it would run, and may be slow or vain. A note: to know."""
_MARKS = {FINE: "ok", NOTE: "note", WARNING: "WARNING", WRONG: "WRONG", SKIPPED: "not tried"}
_WIDTH = 100


@dataclass(frozen=True)
class Found:
    """What one check says.

    Args:
        name: of the check, a key of `checks.CHECKS`, or "model".
        status: one of the five above.
        text: what was found, with its figures.
        remedy: what to do about it.
        figures: the figures by name, for programs.
        seconds: that the check took.
    """

    name: str
    status: str
    text: str
    remedy: str = ""
    figures: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def stops(self) -> bool:
        """Whether what builds on this cannot be looked at."""
        return self.status in (WRONG, SKIPPED)

    def after(self, seconds: float) -> Found:
        """The same with the time that it took."""
        return replace(self, seconds=round(seconds, 2))


@dataclass(frozen=True)
class Report:
    """All that was found.

    Args:
        model: its name or path.
        data: the sample set.
        found: in the order in which it was.
        seconds: in all.
    """

    model: str
    data: str
    found: Sequence[Found]
    seconds: float

    @property
    def verdict(self) -> str:
        """One of "not ready", "unknown" (not all was tried), "ready, with warnings", "ready"."""
        statuses = {found.status for found in self.found}
        for status, verdict in [
            (WRONG, "not ready"),
            (SKIPPED, "unknown"),
            (WARNING, "ready, with warnings"),
        ]:
            if status in statuses:
                return verdict
        return "ready"

    def text(self) -> str:
        """For people, in plain letters that survive being pasted anywhere."""
        lines = [f"kuleshov preflight of {self.model} on {self.data}", ""]
        indent = " " * 22
        for found in self.found:
            head = f"{_MARKS[found.status]:<10}{found.name:<12}"
            said = textwrap.wrap(found.text, _WIDTH - len(indent)) or [""]
            lines += [head + said[0], *(indent + line for line in said[1:])]
            if found.remedy:
                advice = f"-> {found.remedy}"
                lines += [indent + line for line in textwrap.wrap(advice, _WIDTH - len(indent))]
        installed = ", ".join(f"{name} {number}" for name, number in versions().items())
        lines += ["", *textwrap.wrap(installed, _WIDTH)]
        lines += [f"verdict: {self.verdict} ({self.seconds:.0f} s)"]
        return "\n".join(lines)

    def to_json(self) -> str:
        """For programs: verdict, checks with their figures, and versions, as one line."""
        return dump_json(
            {
                "verdict": self.verdict,
                "model": self.model,
                "set": self.data,
                "seconds": round(self.seconds, 1),
                "checks": [asdict(found) for found in self.found],
                "versions": versions(),
            }
        )
