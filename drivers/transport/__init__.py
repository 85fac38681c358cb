"""Byte links to a printer: TCP, a USB printer's device file, a serial line."""
