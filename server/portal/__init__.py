"""The merchant's pages: what the pool owes him, what he owes the pool, and every line of it."""
