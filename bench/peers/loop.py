"""The client that all are measured with: so many people at once, and each sends the next request when the last was answered.

A closed loop, because a web server that answers orders one by one has no other kind of client. What is counted is what was
answered, refusals included: a no is a decision too.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.frontend import percentile

ANSWER_SECONDS_MAX: Final = 90.0  # gunicorn gives up on a worker after 30
ODD_BYTES_MAX: Final = 200


class Answer(StrEnum):
    """What one request came to."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    BUSY = "busy"  # not decided, try again later
    FAILED = "failed"  # not decided: an error of the server or of the line


@dataclass(frozen=True, slots=True)
class Ask:
    """One request over HTTP, encoded before the clock starts."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """What a crowd was answered: seconds from the first request to the last answer, and of each its milliseconds and answer."""

    seconds: float
    each: Sequence[tuple[float, Answer]]
    odd: str = ""  # the first answer that decided nothing, for whoever looks for the cause

    def count(self, answer: Answer) -> int:
        """How many were answered so."""
        return sum(given is answer for _, given in self.each)

    @property
    def decided(self) -> int:
        """Answered with yes or no."""
        return self.count(Answer.CONFIRMED) + self.count(Answer.REFUSED)

    @property
    def per_second(self) -> float:
        """Decisions a second: what was busy or failed is none."""
        return self.decided / self.seconds

    def taken(self, share: float) -> float:
        """The milliseconds within which that share of all was answered, whatever the answer."""
        return percentile([milliseconds for milliseconds, _ in self.each], share)


Send = Callable[[Ask], Answer]


class Line:
    """One person's connection to a web server; kept open if the server keeps it."""

    def __init__(self, port: int, headers: dict[str, str], judge: Callable[[int, bytes], Answer]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
        self._headers = headers
        self._judge = judge
        self.odd = ""

    def send(self, ask: Ask) -> Answer:
        """Post one request and read the whole answer."""
        try:
            self._connection.request("POST", ask.path, ask.body, self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.odd = self.odd or repr(error)
            return Answer.FAILED
        answer = self._judge(response.status, body)
        if answer in (Answer.BUSY, Answer.FAILED):
            self.odd = self.odd or f"{response.status} {body[:ODD_BYTES_MAX].decode(errors='replace')}"
        return answer

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def crowd(asks: Sequence[Ask], lines: Sequence[Line]) -> Run:
    """All requests, by as many people as there are lines; the requests are handed out in their order."""
    waiting = iter(asks)  # one list iterator for all threads: `next` on it is atomic
    each: list[tuple[float, Answer]] = []
    threads = [threading.Thread(target=_ask_all, args=(waiting, line, each)) for line in lines]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    for line in lines:
        line.close()
    return Run(seconds, each, next((line.odd for line in lines if line.odd), ""))


def _ask_all(waiting: Iterator[Ask], line: Line, each: list[tuple[float, Answer]]) -> None:
    for ask in waiting:
        began = time.perf_counter()
        answer = line.send(ask)
        each.append(((time.perf_counter() - began) * 1000, answer))
