"""From the books of a closed period to one statement for each merchant."""
