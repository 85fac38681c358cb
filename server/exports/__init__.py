"""A statement as a file that can be handed on: PDF, XLSX, CSV or JSON, signed by the pool.

All four show the figures of one :class:`StatementDocument`; whoever has the pool's public key can
tell whether a file is whole.
"""
