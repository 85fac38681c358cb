"""``python -m server`` is ``huidian-server``."""

from server.bootstrap import main

if __name__ == "__main__":
    main()
