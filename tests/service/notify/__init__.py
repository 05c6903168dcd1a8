"""Notify through its messages and HTTP, on a real database."""
