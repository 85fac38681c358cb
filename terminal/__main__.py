"""``python -m terminal``."""

from terminal.start import main

if __name__ == "__main__":
    main()
