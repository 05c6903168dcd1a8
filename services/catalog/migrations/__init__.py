"""The catalogue's tables, revision by revision; forward only."""
