"""Roll-ups computed anew from what is stored: `turns` (of a worker at what is marked), `rebuild` (of everything), `audit`
(one day, in plain Python)."""
