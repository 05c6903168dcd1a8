"""Contract models to domain and back: `offers` (what the catalogue publishes), `requests` (commands), `answers` (events)."""
