"""One service through its messages and HTTP: a real database, a broker in memory."""
