"""Documents to ESC/POS bytes (pure), and the conversation with a printer that speaks it."""
