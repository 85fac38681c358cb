"""Customer displays: what to show as bytes (pure), and the serial device that shows it."""
