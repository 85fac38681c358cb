"""The terminal in the shop: sells for points, with or without a network."""
