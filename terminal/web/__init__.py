"""The cashier's page: it shows and parses; it decides nothing."""
