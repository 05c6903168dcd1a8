"""All SQL of the catalogue: `entities`, `offers`, `dates`, `imports`; one typed function per statement."""
