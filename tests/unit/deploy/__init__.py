"""Rules of the demo and of the bootstrap."""
