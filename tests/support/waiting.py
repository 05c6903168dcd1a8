"""Waiting for a condition with a deadline, instead of sleeping for a guess."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.02


async def eventually(question: Callable[[], Awaitable[T]], *, seconds: float = 20, what: str = "the condition") -> T:
    """Ask until the answer is true, and return it; a deadline that passes fails the test with the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := await question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s; last answer: {answer!r}")
        await asyncio.sleep(_POLL_SECONDS)
    return answer


def eventually_sync(question: Callable[[], T], *, seconds: float = 20, what: str = "the condition") -> T:
    """As `eventually`, for tests without an event loop."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s; last answer: {answer!r}")
        time.sleep(_POLL_SECONDS)
    return answer
