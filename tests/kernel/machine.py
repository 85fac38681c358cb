"""A virtual machine that boots Debian's stock kernel on this machine's own file tree.

The kernel's USB controller with nothing behind it (dummy_hcd) and its gadgets make real device
nodes: what the drivers open there is what they open in a shop. Nothing is built and nothing is
emulated in Python but the paper. Always by QEMU's own translator: KVM in a machine that is
itself virtual may hang.
"""

import json
import lzma
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
GUEST: Final = ROOT / "tests" / "kernel" / "guest"
# Where `./run test --qemu` unpacks a kernel that is not installed.
UNPACKED: Final = ROOT / ".venv" / "kernel"
BOOT_LIMIT_S: Final = 900
MEMORY_MB: Final = 1024

# What the guest loads, in this order; what each of them needs comes before it by itself.
MODULES: Final = (
    "virtio_pci", "9pnet_virtio", "9p",
    "evdev", "hid_generic", "usbhid", "usblp", "cdc_acm",
    "configfs", "libcomposite", "usb_f_printer", "usb_f_acm", "usb_f_hid", "dummy_hcd",
)  # fmt: skip
MODULE_OPTIONS: Final = {"dummy_hcd": "num=3"}

_INIT: Final = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /host
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module options; do insmod "/modules/$module" $options || echo "no $module"; done </modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host || poweroff -f
mount -t proc none /host/proc
mount -t sysfs none /host/sys
mount -t configfs none /host/sys/kernel/config
mount -t devtmpfs none /host/dev
mkdir -p /host/dev/pts /host/dev/shm
mount -t devpts none /host/dev/pts
mount -t tmpfs none /host/dev/shm
mount -t tmpfs none /host/run
mount -t tmpfs none /host/etc/udev/rules.d
mkdir -p /host/run/home
cp /rules/* /host/etc/udev/rules.d/
ifconfig lo 127.0.0.1 up
chroot /host /bin/sh /{guest}/start.sh
echo o >/proc/sysrq-trigger
sleep 60
"""


class PartMissingError(Exception):
    """The machine cannot be made here; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's image and the folder of its modules."""

    image: Path
    modules: Path


@dataclass(frozen=True, slots=True)
class Told:
    """How one test in the guest ended: its pytest outcome and what it said."""

    outcome: str
    text: str


def find_kernel() -> Kernel:
    """Give Debian's newest kernel that has the gadgets, installed or unpacked.

    Raises:
        PartMissingError: there is none.
    """
    found = []
    for root in (Path("/"), UNPACKED):
        for image in root.glob("boot/vmlinuz-*-amd64"):
            modules = root / "lib" / "modules" / image.name.removeprefix("vmlinuz-")
            if any(modules.glob("kernel/drivers/usb/gadget/udc/dummy_hcd.ko*")):
                found.append(Kernel(image, modules))
    if not found:
        raise PartMissingError(
            "no Debian kernel with dummy_hcd: apt-get install linux-image-amd64, or unpack the "
            f"package into {UNPACKED.relative_to(ROOT)} (dpkg-deb -x)"
        )
    return max(found, key=lambda kernel: [int(n) for n in re.findall(r"\d+", kernel.image.name)])


def needed_programs() -> dict[str, Path]:
    """Give the programs that the machine is made of.

    Raises:
        PartMissingError: one is not there; its Debian package is named.
    """
    packages = {
        "qemu-system-x86_64": "qemu-system-x86",
        "busybox": "busybox-static",
        "udevadm": "udev",
    }
    found = {name: shutil.which(name) for name in packages}
    missing = [packages[name] for name, path in found.items() if path is None]
    if os.uname().machine != "x86_64":
        raise PartMissingError("the guest runs this machine's Python, so it must be x86-64")
    if missing:
        raise PartMissingError(f"apt-get install {' '.join(missing)}")
    return {name: Path(path) for name, path in found.items() if path}


def _module_files(kernel: Kernel) -> list[tuple[str, bytes]]:
    """Give the modules and all that they need, in loading order, unpacked."""
    files: dict[str, Path] = {}
    for path in kernel.modules.rglob("*.ko*"):
        files[path.name.partition(".ko")[0].replace("-", "_")] = path
    loaded: dict[str, bytes] = {}

    def load(name: str) -> None:
        path = files.get(name)
        if name in loaded or path is None:  # built into the kernel
            return
        content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        needs = re.search(rb"\0depends=([^\0]*)\0", content)
        loaded[name] = b""  # a circle would not end otherwise
        for other in needs[1].decode().split(",") if needs else ():
            load(other.replace("-", "_"))
        del loaded[name]
        loaded[name] = content

    for module in MODULES:
        load(module)
    return list(loaded.items())


def _cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Give an archive as the kernel unpacks it at its start (newc): name to mode and content."""
    out = bytearray()
    for number, (name, (mode, content)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out += b"\0" * (-len(out) % 4)
        out += content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def initramfs(kernel: Kernel, busybox: Path) -> bytes:
    """Give the first file tree: busybox, the modules, our udev rules, and what starts the rest."""
    folder, program, plain = 0o040755, 0o100755, 0o100644
    files: dict[str, tuple[int, bytes]] = dict.fromkeys(
        ("bin", "modules", "rules", "host"), (folder, b"")
    )
    files["init"] = (program, _INIT.replace("{guest}", str(GUEST).lstrip("/")).encode())
    files["bin/busybox"] = (program, busybox.read_bytes())
    order = []
    for name, content in _module_files(kernel):
        files[f"modules/{name}.ko"] = (plain, content)
        order.append(f"{name}.ko {MODULE_OPTIONS.get(name, '')}\n")
    files["modules/order"] = (plain, "".join(order).encode())
    for rules in (ROOT / "systemd").glob("*.rules"):
        files[f"rules/{rules.name}"] = (plain, rules.read_bytes())
    return _cpio(files)


def run_guest(work: Path) -> tuple[dict[str, Told], str]:
    """Boot, run every test of `guest/`, and give what each told, and the console's text.

    Raises:
        PartMissingError: the machine cannot be made here.
    """
    programs = needed_programs()
    kernel = find_kernel()
    tree, console, results = work / "initramfs", work / "console.log", work / "results"
    tree.write_bytes(initramfs(kernel, programs["busybox"]))
    settings = f"console=ttyS0 quiet panic=-1 huidian.python={sys.executable} huidian.root={ROOT}"
    command = [
        *(str(programs["qemu-system-x86_64"]), "-nodefaults", "-no-reboot", "-display", "none"),
        *("-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", f"{MEMORY_MB}M"),
        *("-kernel", str(kernel.image), "-initrd", str(tree), "-append", settings),
        *("-serial", f"file:{console}", "-serial", f"file:{results}"),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
    ]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT_LIMIT_S, check=False
    )
    said = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
    told = {}
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        if line.startswith("{"):
            fields = json.loads(line)
            told[fields["name"]] = Told(fields["outcome"], fields["text"])
    return told, said + ended.stderr.decode(errors="replace")
