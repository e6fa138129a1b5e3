#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for QEMU with the xenbed object: as much of it as xenbed sees.

It takes QEMU's command line, answers QMP and talks on the console socket; the
domain's xenstore is xenstored-lite, the program in the environment variable
XENSTORED_LITE.  The variable FAKE_QEMU chooses how it behaves:
  (unset)   the guest follows its target: a moment after it was set it is almost
            there, and another moment later it is there
  stubborn  the guest does not follow
  meddler   when max-pages is set for the first time, the target becomes 300 MiB meanwhile
  exit      it refuses its arguments with a message, as QEMU does
  abort     it ends with lines that are no message of QEMU's
  silent    it ends with status 3 and no message
  deaf      it opens no socket
  stuck     it refuses to let the machine run
  broken    it does not even tell its version
  foreign   it has no xenbed object
  tcg-only  it was built without KVM
"""

import ctypes
import json
import mmap
import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "xenstore"))
import wire  # noqa: E402

MODE = os.environ.get("FAKE_QEMU", "")
FOLLOW_SECONDS = 0.3
MEDDLER_TARGET = 300 * 1024  # KiB
POLL_SECONDS = 0.02
PR_SET_PDEATHSIG = 1
LIFE_SECONDS = 120  # should a test die before it can end us
KIB_PER_PAGE = 4
ALMOST_KIB = 512  # close enough to count as reached, were it not for the next move
SUPERPAGE_PAGES = 512
POD_POPULATED = 3 * SUPERPAGE_PAGES  # pages, of which some were zero and taken back,
POD_RECLAIMED = SUPERPAGE_PAGES + 5
POD_SWEPT = 3  # and some of these by sweeps
RAM_BLOCKS = [(8 << 20, 3 << 20), (4 << 20, 1 << 20)]  # bytes; and how many of them are touched

LOG = "(XEN) d1: first line\n(XEN) d1: a \"second\" one: \u20ac %s\n"


def option(name):
    """The value of the command line's option -NAME, None if it is not there."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def suboptions(text):
    """The KEY=VALUE parts of a comma-separated option; ",," is a comma."""
    parts = text.replace(",,", "\0").split(",")
    pairs = (part.replace("\0", ",").partition("=") for part in parts)
    return {key: value for key, _, value in pairs}


class Store:
    """The domain's xenstore, and the guest's driver in it; it calls POWER_OFF when asked to."""

    def __init__(self, path, domid, memory, maxmem, power_off):
        self.path = path
        self.home = f"/local/domain/{domid}"
        self.target = memory
        self.power_off = power_off
        self.target_time = 0.0
        # It ends with us, however we end.
        wrapper = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))
        subprocess.Popen(
            [*wrapper, os.environ["XENSTORED_LITE"], "--no-fork", "--socket", path],
            preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        self.client = self.connect()
        for node, value in (
            ("memory/static-max", maxmem),
            ("memory/target", memory),
            ("memory/videoram", 0),
            ("control/shutdown", ""),
        ):
            self.client.write(f"{self.home}/{node}", value)
        threading.Thread(target=self.follow, daemon=True).start()

    def connect(self):
        """Waits until xenstored listens: before, its socket is missing or refuses."""
        while True:
            try:
                return wire.Client(self.path)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(POLL_SECONDS)

    def meddle(self):
        with wire.Client(self.path) as client:
            client.write(f"{self.home}/memory/target", MEDDLER_TARGET)

    def follow(self):
        for node in ("memory/target", "control/shutdown"):
            self.client.watch(f"{self.home}/{node}", node)
        while event := self.client.event():
            value = self.client.read(event[0])
            if event[1] == "control/shutdown" and value:
                time.sleep(FOLLOW_SECONDS)
                self.power_off()
            if event[1] == "memory/target":
                self.target, self.target_time = int(value), time.monotonic()


class Domain:
    """The guest and what the hypervisor knows of it."""

    def __init__(self):
        identity = suboptions(option("-object"))
        self.name, self.domid = identity["name"], int(identity["domid"])
        maxmem = int(option("-m").removesuffix("M")) * 1024
        memory = int(identity.get("memory", option("-m")).removesuffix("M")) * 1024
        self.store = Store(identity["xenstore"], self.domid, memory, maxmem, self.power_off)
        self.pod = self.pod_numbers(memory // KIB_PER_PAGE, maxmem // KIB_PER_PAGE)
        self.properties = {"max-pages": (memory + 1024) // KIB_PER_PAGE, "xen-log": LOG}
        self.meddled = False
        self.status = "prelaunch" if "-S" in sys.argv else "running"
        self.balloon = memory  # what the guest has come to, KiB
        self.blocks = [mmap.mmap(-1, size) for size, _ in RAM_BLOCKS]
        for block, (_, touched) in zip(self.blocks, RAM_BLOCKS):
            block.write(b"x" * touched)

    def power_off(self):
        if "-no-shutdown" not in sys.argv:
            os._exit(0)
        self.status = "shutdown"

    @staticmethod
    def pod_numbers(memory, maxmem):
        """Populate-on-demand, soon after the boot; all in pages."""
        populated, reclaimed, swept = POD_POPULATED, POD_RECLAIMED, POD_SWEPT
        cache = memory - populated + reclaimed
        entries = maxmem - populated + reclaimed
        if memory == maxmem:
            entries = cache = populated = reclaimed = swept = 0
        return {
            "pod-entries": entries,
            "pod-cache-superpage": cache - cache % SUPERPAGE_PAGES,
            "pod-cache-single": cache % SUPERPAGE_PAGES,
            "pod-populated": populated,
            "pod-reclaimed": reclaimed,
            "pod-swept": swept,
        }

    def tot_pages(self):
        moments = (time.monotonic() - self.store.target_time) // FOLLOW_SECONDS
        if MODE != "stubborn" and moments > 0:
            self.balloon = self.store.target + (ALMOST_KIB if moments == 1 else 0)
        return self.balloon // KIB_PER_PAGE - 0x20 + 16

    def ram(self):
        gfn = 0
        for block in self.blocks:
            pages = len(block) // mmap.PAGESIZE
            host = ctypes.addressof(ctypes.c_char.from_buffer(block))
            yield {"gfn": gfn, "pages": pages, "host": host}
            gfn += pages

    def get(self, name):
        if name != "domain":
            return self.properties[name]
        return {
            "name": self.name,
            "domid": self.domid,
            "tot-pages": self.tot_pages(),
            "max-pages": self.properties["max-pages"],
            **self.pod,
            "ram": list(self.ram()),
        }

    def set(self, name, value):
        if name == "xen-log" and value:
            raise ValueError("xenbed: xen-log can only be emptied")
        if name == "max-pages" and MODE == "meddler" and not self.meddled:
            self.meddled = True
            self.store.meddle()
        self.properties[name] = value


def listen(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    return server


class Console:
    """Prints a line when the machine starts to run, then echoes."""

    def __init__(self, path):
        self.server = listen(path)
        self.client = None
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while select.select([self.server], [], []):
            self.accept_waiting()

    def accept_waiting(self):
        with self.lock:
            if select.select([self.server], [], [], 0)[0]:
                self.client, _ = self.server.accept()
                threading.Thread(target=self.echo, args=[self.client], daemon=True).start()

    @staticmethod
    def echo(client):
        while data := client.recv(4096):
            client.sendall(b"<" + data + b">")

    def boot(self):
        self.accept_waiting()
        if self.client:
            self.client.sendall(b"booting\r\n")


def run_command(domain, console, command, arguments):
    """Returns what the QMP command returns."""
    if command == "query-status":
        return {"status": domain.status, "running": domain.status == "running"}
    if command == "cont":
        if MODE == "stuck":
            raise ValueError("it will not run")
        domain.status = "running"
        console.boot()
    elif command == "stop":
        domain.status = "paused"
    elif command == "qom-get":
        return domain.get(arguments["property"])
    elif command == "qom-set":
        domain.set(arguments["property"], arguments["value"])
    return {}


def serve_qmp(server, domain, console):
    """One client at a time, as QEMU has it, and an event before each answer."""
    while True:
        client, _ = server.accept()
        stream = client.makefile("rw", newline="")

        def send(message):
            stream.write(json.dumps(message) + "\r\n")
            stream.flush()

        try:
            send({"QMP": {"version": {}, "capabilities": []}})
            for line in stream:
                request = json.loads(line)
                send({"event": "NOTHING_MUCH", "data": {}})
                try:
                    arguments = request.get("arguments", {})
                    send({"return": run_command(domain, console, request["execute"], arguments)})
                except (KeyError, ValueError) as error:
                    send({"error": {"class": "GenericError", "desc": str(error.args[0])}})
                if request["execute"] == "quit":
                    os._exit(0)
        except (BrokenPipeError, ConnectionResetError):
            pass


def main():
    signal.alarm(LIFE_SECONDS)
    if MODE == "broken":
        print("fake_qemu.py: a library is missing\nand more", file=sys.stderr)
        return 127
    if sys.argv[1:] == ["-accel", "help"]:
        print("Accelerators supported in QEMU binary:\ntcg" + ("" if MODE == "tcg-only" else "\nkvm"))
        return 0
    if sys.argv[1:] == ["-object", "help"]:
        print("List of user creatable objects:\n  secret" + ("" if MODE == "foreign" else "\n  xenbed"))
        return 0
    if "--version" in sys.argv:
        print("QEMU emulator version 10.0.0 (fake)\nCopyright nobody")
        return 0
    if MODE == "exit":
        program = os.path.basename(sys.argv[0])
        print(f"{program}: warning: this will not end well", file=sys.stderr)
        print(f"{program}: -m: refused\nUse another size", file=sys.stderr)
        return 1
    if MODE == "abort":
        print("something happened\nsomething failed", file=sys.stderr)
        return 1
    if MODE == "silent":
        return 3
    if MODE == "deaf":
        signal.pause()
    domain = Domain()
    console = Console(suboptions(option("-chardev"))["path"])
    address = suboptions("path=" + option("-qmp").removeprefix("unix:"))
    serve_qmp(listen(address["path"]), domain, console)
    return 0


sys.exit(main())
