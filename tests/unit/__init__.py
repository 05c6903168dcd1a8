"""Rules as tables and properties: no input or output, no event loop."""
