"""A handful of journeys through a whole hub."""
