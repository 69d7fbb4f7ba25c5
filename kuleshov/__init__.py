"""Self-supervised reinforcement learning for Video LLMs.

    samples = kuleshov.load_samples("samples")
    frames = kuleshov.render(samples[0], "videos")      # one uint8 array per media item
    reward = kuleshov.tasks.score(samples[0], "<answer>2143</answer>")

The core makes, checks and shows samples and imports no torch; `kuleshov.train` and
`kuleshov.evaluate.runner` need the extra `train`.
"""

from kuleshov import tasks
from kuleshov.dataset import load_samples
from kuleshov.media import render
from kuleshov.sample import Reward, Sample, Skip, Video
from kuleshov.tasks import Task

__all__ = ["Reward", "Sample", "Skip", "Task", "Video", "load_samples", "render", "tasks"]
__version__ = "0.1.0"
