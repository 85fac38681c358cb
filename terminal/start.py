"""Where ``huidian-terminal`` begins: loads the program, then runs it.

Loading makes some hundred thousand objects that stay until the end, and Python's collector of
cycles would walk through them again and again while they come: a tenth of the start. It is off
until everything is there, and leaves that alone from then on; what the till makes afterwards is
looked after as ever.
"""

import gc
import importlib


def main() -> None:
    """Run the command line of :mod:`terminal.bootstrap`."""
    gc.disable()
    try:
        bootstrap = importlib.import_module("terminal.bootstrap")
        gc.freeze()
    finally:
        gc.enable()
    bootstrap.main()
