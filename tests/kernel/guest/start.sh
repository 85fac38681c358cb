#!/bin/sh
# Runs in the guest, as root, in the host's own tree (read-only): udev, then the tests.
setting() { tr ' ' '\n' </proc/cmdline | sed -n "s/^huidian.$1=//p"; }
root=$(setting root)
python=$(setting python)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home TMPDIR=/run/home LANG=C.UTF-8
export PYTHONPATH="$root" PYTHONDONTWRITEBYTECODE=1
stty -F /dev/ttyS1 raw -echo
/lib/systemd/systemd-udevd --daemon
cd "$root" || exit 1
exec "$python" -m pytest -p no:cacheprovider --color=no --tb=short -n 0 --confcutdir=tests/kernel/guest \
    --basetemp=/run/home/tests tests/kernel/guest/*_on_the_kernel.py
