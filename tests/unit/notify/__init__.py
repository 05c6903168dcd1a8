"""Rules of notify."""
