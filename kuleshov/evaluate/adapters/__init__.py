"""Published benchmarks from a local folder, asked and scored like our own sets.

    adapter.py      what an adapter is: files into items, samples into reported figures
    item.py         a question before its video was opened
    annotations.py  reading their files
    opened.py       their videos, and which frames are shown
    importing.py    all of it as a set of samples: `kuleshov benchmark NAME FOLDER -o OUT`
    table.py        what it reports, with intervals

Which files are expected, what is reported and what is not verified against the real files:
docs/benchmarks_published.md.
"""

from kuleshov.evaluate.adapters.adapter import Adapter
from kuleshov.evaluate.adapters.grounding import ActivityNetCaptions, CharadesSTA, QVHighlights
from kuleshov.evaluate.adapters.motion_bench import MotionBench
from kuleshov.evaluate.adapters.mvbench import MVBench
from kuleshov.evaluate.adapters.temp_compass import TempCompass
from kuleshov.evaluate.adapters.video_mme import VideoMME
from kuleshov.evaluate.adapters.video_mmmu import VideoMMMU
from kuleshov.evaluate.adapters.vru_accident import VRUAccident, VRUAccidentCaptions
from kuleshov.evaluate.adapters.vsi_bench import VSIBench

__all__ = ["ADAPTERS", "Adapter"]

ADAPTERS: dict[str, Adapter] = {
    "activitynet": ActivityNetCaptions(),
    "charades_sta": CharadesSTA(),
    "motion_bench": MotionBench(),
    "mvbench": MVBench(),
    "qvhighlights": QVHighlights(),
    "temp_compass": TempCompass(),
    "video_mme": VideoMME(),
    "video_mmmu": VideoMMMU(),
    "vru_accident": VRUAccident(),
    "vru_accident_captions": VRUAccidentCaptions(),
    "vsi_bench": VSIBench(),
}
