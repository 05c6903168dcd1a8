"""Rules about the code that a machine can check: `rules/` holds them, `planted/` one violation of each that must be found."""
