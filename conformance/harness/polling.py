"""Waiting for something to become true, with a deadline instead of a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

PAUSE_SECONDS = 0.02
"""Between two looks. Short against the one second in which a segment must be visible."""


class DeadlineExceeded(AssertionError):
    """What was waited for did not happen in time."""


def wait_until(
    look: Callable[[], Value | None],
    awaited: str,
    deadline_seconds: float = 10.0,
) -> Value:
    """Calls `look` until it gives something true, and gives that.

    An AssertionError raised by `look` counts as "not yet"; the last one is shown when time runs out.
    """
    end = time.monotonic() + deadline_seconds
    last_failure: AssertionError | None = None
    while True:
        try:
            value = look()
            if value:
                return value
            last_failure = None
        except AssertionError as failure:
            last_failure = failure
        if time.monotonic() > end:
            raise DeadlineExceeded(f"{awaited}: not within {deadline_seconds} s") from last_failure
        time.sleep(PAUSE_SECONDS)
