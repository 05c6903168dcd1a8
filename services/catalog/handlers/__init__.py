"""What changes the catalogue: `publishing`, `steps`, `drafts`, `entities`, `imports`, `timers`; all under its lock."""
