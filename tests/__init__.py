"""The tests of Hubnetz; the directory is the level, `support/` holds what several levels need."""
