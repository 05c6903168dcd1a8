"""Files from outside: one module per format, and what makes foreign texts fit to be stored."""
