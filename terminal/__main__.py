"""``python -m terminal``."""

from terminal.bootstrap import main

if __name__ == "__main__":
    main()
