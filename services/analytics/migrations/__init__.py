"""Revisions of the database `analytics`, forward only."""
