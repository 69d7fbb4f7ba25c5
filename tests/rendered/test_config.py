from __future__ import annotations

from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.rendered import RenderConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "parket"}, "unknown format 'parket'; did you mean 'parquet'"),
        ({"quality": 0}, "render: quality is 0; allowed: 1 to 95 for parquet"),
        ({"quality": 96, "format": "tar"}, "quality is 96; allowed: 1 to 95 for tar"),
        ({"quality": 52, "format": "mp4"}, "quality is 52; allowed: 1 to 51 for mp4"),
        ({"workers": -1}, "workers is -1; allowed: 0 or more"),
        ({"seconds": 0.0}, "limits of 0.0 s"),
        ({"megabytes": 10}, "10 MB; allowed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RenderConfig(**settings)


def test_each_format_has_its_own_quality() -> None:
    qualities = {name: RenderConfig(format=name).resolved_quality() for name in ("tar", "mp4")}
    assert qualities == {"tar": 80, "mp4": 22}
    assert RenderConfig(quality=50).resolved_quality() == 50
