"""Scanners: bytes to scans (pure), and the devices that they come from."""
