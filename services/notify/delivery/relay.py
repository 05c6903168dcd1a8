"""The breaker of a relay: all processes stop together when it is down or asks for a pause; one tries whether it is back."""

import logging
from dataclasses import dataclass
from uuid import UUID

from hubkit.db import Pool, reading, transaction
from hubkit.errors import is_transient
from services.notify import limits
from services.notify.domain.replies import Effect, Reply, classify
from services.notify.domain.times import probe_pause, throttle_pause
from services.notify.handlers import House
from services.notify.senders.smtp import Connection, RelayAddress
from services.notify.store import relays

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Breaker:
    """One relay as this process sees it. `cuts` counts connections lost one after the other before a mail was on the wire."""

    house: House
    pool: Pool
    address: RelayAddress
    process_id: UUID
    cuts: int = 0

    async def prepare(self) -> None:
        """Make the relay's row if there is none."""
        async with transaction(self.pool) as tx:
            await relays.insert_relay(tx, self.address.name)

    async def note(self, reply: Reply) -> bool:
        """Draw the consequence of a reply for the relay; True if nothing should be sent to it for now."""
        effect = classify(reply)
        self.house.metrics.add("notify_attempts_total", relay=self.address.name, effect=effect.value)
        if effect is Effect.CUT:
            self.cuts += 1
            if self.cuts < limits.CUTS_MAX:
                return False
        elif effect not in (Effect.DOWN, Effect.MISCONFIGURED, Effect.THROTTLED):
            self.cuts = 0
            return False
        try:
            if effect is Effect.THROTTLED:
                await self._pause()
            else:
                await self._open(_reason(effect, reply))
        except Exception as exc:  # tidy: blind-except while the database is away it is found out again
            if not is_transient(exc):
                raise
            log.warning("breaker not written", extra={"action": "open", "error": type(exc).__name__})
        return True

    async def _open(self, reason: str) -> None:
        self.cuts = 0
        async with transaction(self.pool) as tx:
            now = await self.house.clock.now(tx)
            opened = await relays.open_breaker(tx, self.address.name, reason=reason, now=now, probe_in=probe_pause(0))
        if opened:
            log.error("relay is not used", extra={"action": "open", "relay": self.address.name, "reason": reason})
        self.house.metrics.set("notify_breaker_open", 1, relay=self.address.name)

    async def _pause(self) -> None:
        async with transaction(self.pool) as tx:
            now = await self.house.clock.now(tx)
            relay = await relays.read_relay(tx, self.address.name)
            throttles = relay.throttles if relay else 0
            pause = throttle_pause(throttles)
            await relays.pause_relay(tx, self.address.name, throttles=throttles, now=now, pause=pause)
        log.warning(
            "relay asks for a pause",
            extra={"action": "pause", "relay": self.address.name, "seconds": pause.total_seconds()},
        )

    async def probe(self) -> None:
        """If the relay is due for it and no other process does it: connect, log in, NOOP. A timed loop calls this."""
        async with transaction(self.pool) as tx:
            now = await self.house.clock.now(tx)
            failures = await relays.take_probe(tx, self.address.name, process_id=self.process_id, now=now)
        if failures is None:
            return
        connection = Connection(self.address)
        reply = await connection.open() or await connection.check()
        await connection.close()
        async with transaction(self.pool) as tx:
            now = await self.house.clock.now(tx)
            if reply is None:
                closed = await relays.close_breaker(tx, self.address.name, process_id=self.process_id)
            else:
                await relays.put_off_probe(
                    tx,
                    self.address.name,
                    process_id=self.process_id,
                    reason=_reason(classify(reply), reply),
                    now=now,
                    probe_in=probe_pause(failures + 1),
                )
        if reply is None and closed:
            log.warning("relay is used again", extra={"action": "close", "relay": self.address.name})

    async def measure(self) -> None:
        """Show how the relay stands, and forget throttlings that are over. A timed loop calls this."""
        async with transaction(self.pool) as tx:
            await relays.forget_throttles(tx, self.address.name, now=await self.house.clock.now(tx))
        async with reading(self.pool) as conn:
            relay = await relays.read_relay(conn, self.address.name)
        self.house.metrics.set("notify_breaker_open", 1 if relay and relay.is_open else 0, relay=self.address.name)


def _reason(effect: Effect, reply: Reply) -> str:
    """Code words only: effect, phase, SMTP code."""
    return " ".join([effect.value, reply.phase, *([str(reply.code)] if reply.code is not None else [])])
