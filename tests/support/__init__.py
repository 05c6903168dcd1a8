"""Servers, databases, topics and waiting, for all levels of tests."""
