"""The use cases of a till: scan, ask, complete, cancel, give back."""
