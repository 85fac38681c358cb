import subprocess
import sys
from pathlib import Path

from bench.memory import read_smaps
from bench.terminal_footprint import enrolled

LATE = (
    "PIL",
    "argon2",
    "qrcode",
    "serial",
    "terminal.diagnostics.print_test",
    "terminal.diagnostics.recover",
    "terminal.diagnostics.rejoin",
    "terminal.prices.workbook",
    "xml",
)
"""What a till needs at no sale, so that its start and its memory stay small."""

STARTED = """
import gc, os, signal, sys, threading, time, urllib.request
from terminal.start import main

url, late = sys.argv.pop(), sys.argv.pop().split(",")

def look():
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                break
        except OSError:
            time.sleep(0.02)
    print("loaded:", *(name for name in late if name in sys.modules), flush=True)
    print("collector:", gc.isenabled(), gc.get_freeze_count() > 50_000, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=look, daemon=True).start()
main()
"""


def test_a_till_that_answers_has_not_loaded_what_no_sale_needs(tmp_path: Path) -> None:
    config, url = enrolled(tmp_path)
    words = ["--config", str(config), "serve", ",".join(LATE), f"{url}/health"]
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "loaded:\n" in done.stdout
    # What was loaded is left alone; what the till makes is looked after again.
    assert "collector: True True\n" in done.stdout


def test_memory_is_told_apart_by_what_the_pages_are_for() -> None:
    smaps = (
        "7f00-7f10 r-xp 00000000 fe:00 17    /usr/lib/libssl.so.3\nRss: 9 kB\nPss:  512 kB\n"
        "7f20-7f30 rw-p 00000000 00:00 0 \nPss:  2048 kB\nPss_Dirty: 7 kB\n"
        "7f40-7f50 rw-p 00000000 00:00 0    [heap]\nPss:  1024 kB\n"
        "7f60-7f70 r--p 00000000 fe:00 18    /usr/share/zoneinfo/x\nPss:  256 kB\n"
    )
    found = read_smaps(smaps)
    assert (found.heap_mib, found.code_mib, found.other_mib) == (3, 0.5, 0.25)
    assert found.all_mib == 3.75
