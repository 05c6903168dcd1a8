"""What runs by itself: `loops` by the clock, `imports` when asked to."""
