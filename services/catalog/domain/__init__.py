"""What the catalogue thinks with: frozen dataclasses and pure rules; time and ids are arguments."""
