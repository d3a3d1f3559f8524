"""What every check of `deploy/` has at hand: credentials that are no secret."""

from collections.abc import Iterator

import pytest
from harness.environment import CREDENTIALS


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Fake keys for clients in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "*")
        yield
