"""One worker for each device, one that tells the server."""
