"""What is counted and how, in plain Python: the standard library and `limits` are all it imports.

| module | noun |
| --- | --- |
| `words` | the closed lists: states, kinds, claimants |
| `zones`, `spans` | local days as instants; sets of instants |
| `facts` | events of a booking, and the booking that they add up to |
| `opening` | when a resource was open, from all revisions of it and of its offers |
| `days` | the definitions of one day; the SQL of `store.days` does the same for many |
| `periods` | calendar periods |
| `pseudonyms` | who is who within a year |
"""
