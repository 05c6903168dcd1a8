"""Booking against the naive model, a few examples; `python -m tests.unit.booking.long_run` runs thousands."""

from hypothesis import HealthCheck, settings

from tests.unit.booking.machine import Booking

TestBooking = Booking.TestCase
TestBooking.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
