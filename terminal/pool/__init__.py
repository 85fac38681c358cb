"""The pool server as the till sees it: ask, tell, fetch."""
