"""What notify decides, as pure functions: plan, due times, quiet hours, back-off, replies of relays, wording."""
