"""What travels between the parts of a hub and between hubs: the envelope, the topics, every message, its schema, its examples.

Needs pydantic and the standard library only: a partner or a frontend installs this package without the rest (`README.md`).
"""

__version__ = "0.1.0"
