"""SQLite on the SD card: the journal, the outbox, sales and print jobs."""
