"""Relay, offsets, rebalance, migrations, the local runner: real Kafka and PostgreSQL."""
