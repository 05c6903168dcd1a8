"""How a message leaves the house: its text (`texts`), its form as a mail (`mail`), the way to the relay (`smtp`)."""
