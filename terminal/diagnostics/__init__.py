"""What a technician runs at the counter: self-test of the devices, doubtful receipts."""
