"""Shifts: opened with a float, looked at with X, closed with a Z report."""
