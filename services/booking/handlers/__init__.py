"""What booking does when something comes in or time passes, each in the transaction it is given.

`requests` (commands: plan, decide, busy), `timers` (what is overdue), `offers` and `aftermath` (copies of the catalogue, and
what their changes do), `subjects` (the rows that decisions work on), `reading` (occupancy for some wishes), `runs`,
`settlement` and `writing` (read, decide, write, halves), `telling` (events into outbox and ledger), `hints` (availability for
others), `retention` (forgetting), `questions` (what HTTP asks), `house` (what all of them share).
"""
