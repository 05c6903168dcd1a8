"""What booking does when something comes in, each in the transaction it is given.

`requests` (commands: plan, decide, busy), `settlement` (read, decide, write, halves), `telling` (answers into outbox and
ledger), `reading` (occupancy for some wishes), `offers` (copies of the catalogue), `questions` (what HTTP asks), `house` (what
all of them share).
"""
