"""Devices without hardware, reached over real links: a TCP printer and a pty scanner."""
