"""What an operator does at the machine: ``huidian-server COMMAND``."""
