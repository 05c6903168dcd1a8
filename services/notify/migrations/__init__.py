"""Notify's tables, revision by revision; forward only."""
