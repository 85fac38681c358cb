"""Typed settings and the presets of the programmes, read from TOML."""
