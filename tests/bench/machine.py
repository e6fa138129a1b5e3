# SPDX-License-Identifier: GPL-2.0-or-later
"""
QEMU without xenbed's toolstack, for benchmarks: the same machine with and without Xen,
the serial port its console in both.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'guest'))
import harness  # noqa: E402


class Machine(harness.Shell):
    """A context manager; `boot_seconds` is the time from QEMU's start to userspace."""

    def __init__(self, kernel, xen, memory=1024, vcpus=1, extra='', initrd=harness.INITRAMFS,
                 devices=()):
        self.folder = Path(tempfile.mkdtemp(prefix='xb-', dir='/tmp'))
        if xen:
            devices = ['-object', f'xenbed,id=xenbed0,name=bench,xenstore={self.folder}/xenstore', *devices]
        self.command = [
            harness.QEMU, '-accel', 'tcg,thread=multi', '-machine', 'pc', '-m', f'{memory}M',
            '-smp', str(vcpus), '-nodefaults', '-display', 'none', '-vga', 'none', '-nic', 'none',
            '-no-user-config', '-L', '/usr/share/seabios', '-L', '/usr/share/qemu',
            '-chardev', f'socket,id=console,path={self.folder}/console,server=on,wait=off,'
                        f'logfile={self.folder}/log',
            '-serial', 'chardev:console', '-qmp', f'unix:{self.folder}/qmp,server=on,wait=off',
            '-kernel', kernel, '-initrd', initrd, '-append', f'console=ttyS0 quiet {extra}',
            *devices,
        ]
        self.process = None
        self.qmp = None

    def __enter__(self):
        start = time.monotonic()
        self.process = subprocess.Popen([str(word) for word in self.command], stdin=subprocess.DEVNULL)
        try:
            harness.wait_for(self._up, "QEMU's start", 30, 0.005)
            self.qmp = harness.Qmp(self.folder / 'qmp')
            self.console = harness.Console(self.folder / 'console', self.folder / 'log')
            self.console.wait_log(harness.READY, interval=0.005)
            self.boot_seconds = time.monotonic() - start
            self.console.wait_ready()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _up(self):
        if self.process.poll() is not None:
            raise harness.GuestError(f'QEMU ended with status {self.process.returncode}')
        return all((self.folder / name).exists() for name in ('qmp', 'console'))

    def __exit__(self, kind, value, trace):
        if kind is not None and self.console:
            print(*self.console.log_text().splitlines()[-40:], sep='\n', file=sys.stderr)
        if self.console:
            self.console.close()
        if self.qmp:
            self.qmp.__exit__(None, None, None)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder)
