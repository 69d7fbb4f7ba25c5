"""Questions that others have published: the rows of VideoSSR-30K and VIUBench as samples.

    rows      Parquet files, one row a question                            row
    frames    folders of pictures that the rows name                       question
    a set     all of them as samples, of which `check`, `train` ... know   importing

A row becomes a sample of our task, in its `paper` setting, and is scored by it. Its pictures are
finished: what was done to them is not known here, and `Sample.made_elsewhere` is true.
"""

from kuleshov.published.importing import PublishedConfig, import_rows

__all__ = ["PublishedConfig", "import_rows"]
