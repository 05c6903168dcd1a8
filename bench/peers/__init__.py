"""Hubnetz beside pretix and Indico's room booking: `make bench PEERS=1`. What is compared, and what is not, stands here.

One run, one machine, one PostgreSQL (the hub's own, fsync and synchronous_commit on) with a database for each, one after the
other, and the same client for all (`loop`): so many people at once, each sends the next request when the last was answered.
Hubnetz is asked over its bus, the peers over HTTP, which is how each takes orders.

- pretix: its order API, a free product, a quota as the session's capacity. No mail (`send_email` is its default, off), no
  invoice, no attendee's name, no plugins; no idempotency key, which would cost it a row more.
- Indico: the address that its own pages post a booking to; rooms that anybody may book without a confirmation.
- Both run as their manuals have it for production: gunicorn (Indico's manual: uWSGI) with two synchronous workers a core, and
  redis as cache and queue. Nobody works the queues off: their mails, webhooks and other background work cost nothing here.
  There is no web server before them and no TLS. Both choices favour the peers.
- Hubnetz answers only after the answer is on the bus; it runs without catalogue, notify and analytics, as the peers run
  without a worker.

What is sold and double-booked is counted in each database when all is over, not believed of the answers.
"""

from typing import Final

# Said under each table: a decision is a small part of what the peers do for an order.
WHAT_MORE: Final = (
    "What the peers do more than decide, in the time measured:",
    "  both: HTTP, JSON and a token check for each order; permissions; one transaction for one order, on a general-purpose"
    " web framework; the whole order in the answer.",
    "  pretix: prices, taxes, discounts and rounding; an order with code and secrets, a position with its ticket's secret, a"
    " payment, rows for accounting, three entries in the audit log, each with the question whom to notify.",
    "  Indico: the reservation with its occurrences, blockings, hours and other people's requests looked through; two mails"
    " written from templates and queued; the room's calendar of the booking in the answer.",
    "What Hubnetz does that they do not do here: an outcome stored for each request's id, an event on a bus by its outbox.",
    "Hubnetz decides requests in batches and answers on a bus; a person alone waits for the batch, a crowd shares it.",
)
