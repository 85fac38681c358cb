"""What only reads and needs several of the server's rooms at once, for every edge alike."""
