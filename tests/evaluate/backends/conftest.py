from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.evaluate.backends.stub import Stub, endpoint


@pytest.fixture
def stub() -> Iterator[Stub]:
    with endpoint() as found:
        yield found
