# SPDX-License-Identifier: GPL-2.0-or-later
"""
L1: a machine without hardware's help (TCG) that has AMD's virtualisation, and so KVM.
It boots or goes on from a saved state, then runs the one command it is given.
"""

import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

import image
import harness

READY = 'nested: ready'  # what init says
BOOT_SECONDS = 120
# Less what TCG does not have, and says so.
CPU = 'EPYC,+svm,-fxsr-opt,-misalignsse,-osvw,-topoext,-nrip-save,-xsavec'
MACHINE = ('-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', CPU, '-smp', '1', '-m', '1536M',
           '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', *harness.FIRMWARE)
COMMAND_LINE = ('console=hvc0 quiet panic=-1 nokaslr mitigations=off nosmp tsc=reliable cryptomgr.notests no_timer_check '
                'swiotlb=noforce')


class Gone(Exception):
    """L1 has ended or says nothing any more."""


class L1:
    """A context manager: it is gone afterwards."""

    def __init__(self, system, disk, state=None):
        self.folder = tempfile.TemporaryDirectory(prefix='xb-', dir='/tmp')
        self.qmp_path = Path(self.folder.name, 'qmp')
        command = [
            harness.QEMU, *MACHINE, '-kernel', system / 'vmlinux', '-initrd', system / 'initramfs',
            '-append', COMMAND_LINE, '-device', 'virtio-serial', '-chardev', 'stdio,id=console,signal=off',
            '-device', 'virtconsole,chardev=console', '-qmp', f'unix:{self.qmp_path},server=on,wait=off']
        for path in system / 'system.img', disk:
            command += ['-drive', f'file={path},format=raw,if=virtio,readonly=on']
        if state:
            command += ['-incoming', f'file:{state}']
        # Whatever becomes of us, it does not stay.
        self.qemu = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', *command],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.received = b''
        if state:
            self.wait_restored()
        else:
            self.wait(READY, BOOT_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        self.folder.cleanup()

    def wait_restored(self):
        harness.wait_for(self.qmp_path.exists, 'L1', BOOT_SECONDS)
        with harness.Qmp(self.qmp_path) as qmp:
            harness.wait_for(lambda: qmp.command('query-status')['running'], 'L1 restored', BOOT_SECONDS)

    def send(self, line):
        try:
            self.qemu.stdin.write(line.encode() + b'\n')
            self.qemu.stdin.flush()
        except BrokenPipeError as error:
            raise Gone('L1 has ended') from error

    def read(self, seconds):
        if not select.select([self.qemu.stdout], [], [], max(0, seconds))[0]:
            raise Gone('L1 says nothing any more')
        if not (data := os.read(self.qemu.stdout.fileno(), 65536)):
            raise Gone('L1 has ended')
        return data

    def wait(self, beginning, seconds):
        """Waits for a line that begins so; returns what came before it, and the line."""
        end = time.monotonic() + seconds
        lines = []
        while not (lines and lines[-1].startswith(beginning)):
            while b'\n' not in self.received:
                try:
                    self.received += self.read(end - time.monotonic())
                except Gone as gone:
                    raise Gone('\n'.join([str(gone), *lines, self.received.decode(errors='replace')])) from gone
            line, _, self.received = self.received.partition(b'\n')
            lines.append(line.decode(errors='replace').rstrip('\r'))
        return lines[:-1], lines[-1]

    def save(self, path):
        """Saves its state."""
        with harness.Qmp(self.qmp_path) as qmp:
            qmp.command('migrate', uri=f'file:{path}')
            harness.wait_for(lambda: qmp.command('query-migrate')['status'] in ('completed', 'failed'), 'saved state', 60)
            status = qmp.command('query-migrate')
            if status['status'] != 'completed':
                raise harness.GuestError(f'L1\'s state cannot be saved: {status.get("error-desc")}')
