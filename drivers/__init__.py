"""Hardware and nothing else: ports, documents, ESC/POS, links, scanners, simulated devices.

Knows no resident, no sale and no settings. Everything above sees `ports` and `document`; only a
bootstrap calls `registry` to turn a device URL into a driver.
"""
