"""What was asked and what was answered: counts, times, and whether each request has exactly one answer. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

ANSWER_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answering event: its id, its bare type, its reason if it is a refusal; `at` is the reader's clock in seconds."""

    event_id: UUID
    kind: str
    reason: str | None
    at: float


@dataclass(slots=True)
class Asked:
    """One request id: when it was first sent, what was sent under it, and the distinct events that answered it."""

    command: str
    sent_at: float
    copies: int = 1
    others: int = 0  # sends of other content under this id
    answers: list[Answer] = field(default_factory=list)
    refused_others: set[UUID] = field(default_factory=set)

    def answered_once(self) -> bool:
        """Exactly one event for all copies, and for other content under the same id one refusal that is not taken for it."""
        return len(self.answers) == 1 and len(self.refused_others) == min(self.others, 1)


@dataclass(slots=True)
class Ledger:
    """All requests of a day by their id."""

    asked: dict[UUID, Asked] = field(default_factory=dict)
    strangers: int = 0  # answers to requests that nobody here sent

    def send(self, request_id: UUID, command: str, *, now: float) -> Asked:
        """Note a request that is about to be sent; the same id again is a further copy."""
        known = self.asked.get(request_id)
        if known is None:
            known = self.asked[request_id] = Asked(command, now)
        else:
            known.copies += 1
        return known

    def answer(self, request_id: UUID, answer: Answer) -> bool:
        """Note an answer; whether it is the first for that request. The same event read twice counts once."""
        asked = self.asked.get(request_id)
        if asked is None:
            self.strangers += 1
            return False
        if answer.event_id in [known.event_id for known in asked.answers]:
            return False
        asked.answers.append(answer)
        return len(asked.answers) == 1

    def refuse_other(self, request_id: UUID, event_id: UUID) -> None:
        """Note the refusal of other content under a known id."""
        if asked := self.asked.get(request_id):
            asked.refused_others.add(event_id)

    def waiting(self) -> int:
        """How many requests have not all their answers yet."""
        return sum(not asked.answered_once() for asked in self.asked.values())

    def wrong(self) -> list[UUID]:
        """Requests with no answer or more than one."""
        return [request_id for request_id, asked in self.asked.items() if not asked.answered_once()]

    def outcomes(self) -> Counter[tuple[str, str | None]]:
        """(type, reason) of the first answers, how often each."""
        return Counter((a.answers[0].kind, a.answers[0].reason) for a in self.asked.values() if a.answers)

    def number_of(self, *kinds: str) -> int:
        """How many requests were answered by an event of these types."""
        return sum(n for (kind, _), n in self.outcomes().items() if kind in kinds)

    def seconds(self) -> list[float]:
        """From the first send of each request to its answer in the reader's hands, ascending."""
        return sorted(a.answers[0].at - a.sent_at for a in self.asked.values() if a.answers)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed (nearest rank); 0 of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def report(ledger: Ledger, *, violations: int, dead_letters: int) -> list[str]:
    """The lines that are shown at the end of the day."""
    asked = list(ledger.asked.values())
    outcomes = ledger.outcomes()
    seconds = ledger.seconds()
    reasons: Counter[str] = Counter()
    for (_, reason), n in outcomes.items():
        if reason:
            reasons[reason] += n
    lines = [
        f"{len(asked)} requests: {sum(a.command == 'RequestBooking' for a in asked)} wishes,"
        f" {sum(a.command == 'CancelBooking' for a in asked)} cancellations,"
        f" {sum(a.command not in ('RequestBooking', 'CancelBooking') for a in asked)} others;"
        f" {sum(a.copies - 1 for a in asked)} sent twice, {sum(a.others for a in asked)} with a used id",
        "",
    ]
    lines += [f"  {kind:<24}{n:>6}" for (kind, reason), n in sorted(outcomes.items(), key=_by_number) if reason is None]
    lines += [f"  refused: {reason:<15}{n:>6}" for reason, n in reasons.most_common()]
    others = sum(len(a.refused_others) for a in asked)
    if others:
        lines.append(f"  refused: request_id_reused{others:>4}  (beside the answer to the first sender)")
    lines += [
        "",
        f"  answered exactly once   {len(asked) - len(ledger.wrong()):>6} of {len(asked)}",
        f"  request to event        p50 {_ms(seconds, 0.5)}   p99 {_ms(seconds, 0.99)}   max {_ms(seconds, 1.0)}",
        f"  invariants violated     {violations:>6}",
        f"  dead letters            {dead_letters:>6}",
    ]
    return lines


def _by_number(entry: tuple[tuple[str, str | None], int]) -> tuple[int, str]:
    return -entry[1], entry[0][0]


def _ms(ordered: Sequence[float], share: float) -> str:
    return f"{percentile(ordered, share) * 1000:.1f} ms"
