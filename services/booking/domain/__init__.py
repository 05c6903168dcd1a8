"""The rules of booking, pure: time, ids and keys are arguments; the standard library and `limits` are all it imports.

| module | noun |
| --- | --- |
| `codes` | the closed word lists: reasons in their order, states, kinds, roles |
| `zones`, `hours` | local times and instants; opening hours and blackouts |
| `offers` | an offer with its components, resources and rules |
| `claims` | who wants what, and what was given: wish, placement, reasons, booking |
| `occupancy` | what is taken, in memory |
| `quotas` | limits per person |
| `served` | what this release decides and what it refuses |
| `evaluation` | `evaluate`, the one rule function |
| `availability` | later starts, free starts, free spans |
| `requests`, `decisions` | commands and outcomes; `decide` on the state of one poll |
"""
