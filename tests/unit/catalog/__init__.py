"""Rules of the catalogue as tables and properties: no input or output."""
