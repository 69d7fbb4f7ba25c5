"""A sample set in pixels, on disk, for engines that need files.

    DIR/
      train-00000.parquet       a shard: the rows of up to 128 samples (see `formats` for others)
      held_out-00000.parquet
      skips.jsonl               every sample that could not be rendered, and why
      manifest.json             of each shard counts, and size and hash of its files
      summary.json              counts and settings, and the hash of manifest.json
      README.md                 what lies here and how to read it

A row is the sample's own row with one more column, `videos`: for each `<video>` or `<image>` of
the prompt its files and `seconds`, the times that the model is told.

    config    the settings
    formats   their names
    format    what a format is
    jpeg      frames as JPEG, each distinct one once
    parquet   a table of rows and a table of frames
    tar       frames and rows in one tar, to be streamed
    mp4       an mp4 for each `<video>` or `<image>`
    shards    a whole set, shard by shard, and back
"""

from kuleshov.rendered.config import RenderConfig
from kuleshov.rendered.format import Shown
from kuleshov.rendered.shards import encoded, load, render_set

__all__ = ["RenderConfig", "Shown", "encoded", "load", "render_set"]
