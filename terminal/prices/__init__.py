"""The shop's own price list: read from a file, looked through, taken over, and given out again."""
