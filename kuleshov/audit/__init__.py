"""What would make a sample wrong, or let a model earn without watching; see docs/audit.md.

    audit        everything, with few samples in memory at a time
    survey       one pass over the rows: their faults, and the little of each that is kept
    findings     what an audit finds
    soundness    the gold answer earns 1, JSON keeps the sample, media match their recipe
    visible      when two frames look different
    ambiguity    effects that change nothing, items that look alike
    recompute    the answer again, from frames and recipe
    sides        videos on both sides of the split
    evidence     what a probe is given of a sample
    probes       cues that neither motion nor meaning has a part in
    learn        a probe's score on videos that it was not fitted to
    auc          how well scores tell two groups apart, and how sure that is
    leaks        which cue beats chance where it must not
    priors       answers that are not as likely as declared, floors that are high
    cuts         whether the cuts between clips show
    clean        the set without the samples at fault

Nothing here knows a task by name, but for recompute.
"""

from kuleshov.audit.audit import audit
from kuleshov.audit.findings import Finding, Findings, Floor, Probed

__all__ = ["Finding", "Findings", "Floor", "Probed", "audit"]
