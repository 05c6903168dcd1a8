"""The rules of booking, pure: time, ids and keys are arguments; the standard library and `limits` are all it imports.

| module | noun |
| --- | --- |
| `codes` | the closed word lists: reasons in their order, states, kinds, roles |
| `zones`, `hours` | local times and instants; opening hours and blackouts |
| `offers`, `copies` | an offer with its components, resources and rules; what is kept of the catalogue |
| `claims` | who wants what, and what was given: wish, placement, reasons, booking |
| `occupancy`, `quotas` | what is taken, in memory; limits per person and group |
| `wishes` | what a wish takes of an offer, and whether the offer can read it |
| `evaluation` | `evaluate`, the one rule function |
| `stretches` | where the parts of a wish find room |
| `availability` | later starts, free starts, free spans |
| `requests` | commands and outcomes |
| `transitions` | the table of states: what may follow on what, and by what |
| `desk` | the state of one poll, and what every change of it has in common |
| `promotion` | time that runs out, and who gets what is freed |
| `claiming`, `commands`, `series` | wishes; commands about a booking; repeated wishes |
| `closures` | what a change of the catalogue does to what stands |
| `decisions` | `decide`, one request after the other |
| `senders` | which source may speak for whom |
"""
