"""The demo: a day at a hub, played by seeded visitors through Kafka, as any frontend would; and what came of it."""
