"""Practice: a second till with keys of its own, and the switch between the two."""
