"""The demonstration: real processes, simulated devices, made-up people."""
