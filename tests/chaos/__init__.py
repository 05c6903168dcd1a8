"""Kill, pause and cut at named points: nothing lost, nothing doubled unseen."""
