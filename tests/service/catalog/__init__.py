"""The catalogue by its HTTP and its commands: real database, messages read from the outbox."""
