"""What a terminal and a pool server agree on; imports nothing of either side."""
