# SPDX-License-Identifier: GPL-2.0-or-later
"""
L1: a machine without hardware's help (TCG) that has AMD's virtualisation, and so KVM.
It boots, or goes on from a saved state, and then runs the one command it is given.
"""

import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import harness

READY = 'nested: ready'  # what init says
BOOT_SECONDS = 120
# Less what TCG does not have, and says so.
CPU = 'EPYC,+svm,-fxsr-opt,-misalignsse,-osvw,-topoext,-nrip-save,-xsavec'
MACHINE = ('-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', CPU, '-smp', '1', '-m', '1536M',
           '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', *harness.FIRMWARE)
COMMAND_LINE = ('console=hvc0 loglevel=3 panic=-1 nokaslr mitigations=off nosmp tsc=reliable cryptomgr.notests '
                'no_timer_check swiotlb=noforce')


class Gone(Exception):
    """L1 has ended or says nothing any more."""


class L1:
    """One that waits for its command.  A context manager: it is gone afterwards."""

    def __init__(self, system, disk, state=None):
        self.folder = Path(tempfile.mkdtemp(prefix='l1-', dir=disk.parent))
        self.qmp_path = self.folder / 'qmp'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.qmp_path))
            listener.listen()
            command = [
                harness.QEMU, *MACHINE, '-kernel', system / 'vmlinux', '-initrd', system / 'initramfs',
                '-append', COMMAND_LINE, '-device', 'virtio-serial', '-chardev', 'stdio,id=console,signal=off',
                '-device', 'virtconsole,chardev=console',
                '-chardev', f'socket,id=qmp,fd={listener.fileno()},server=on,wait=off', '-mon', 'qmp,mode=control']
            for path in system / 'system.img', disk:
                command += ['-drive', f'file={path},format=raw,if=virtio,readonly=on']
            if state:
                command += ['-incoming', f'file:{state}']
            # Whatever becomes of us, it does not stay.
            self.qemu = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', *command], pass_fds=[listener.fileno()],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.received = b''
        self.lines = []
        try:
            (self.wait_restored if state else self.wait_booted)()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        shutil.rmtree(self.folder)

    def wait_restored(self):
        try:
            with harness.Qmp(self.qmp_path) as qmp:
                harness.wait_for(lambda: qmp.command('query-status')['running'], 'L1', BOOT_SECONDS)
        except (OSError, harness.GuestError) as error:
            raise Gone(f'L1\'s state cannot be restored: {error}') from error

    def wait_booted(self):
        end = time.monotonic() + BOOT_SECONDS
        while not self.lines_to(READY):
            if not select.select([self], [], [], max(0, end - time.monotonic()))[0]:
                raise Gone(f'L1 has not booted:\n{self.said()}')

    def fileno(self):
        """Ready when it has said something more, or has ended."""
        return self.qemu.stdout.fileno()

    def send(self, line):
        self.lines.clear()
        try:
            self.qemu.stdin.write(line.encode() + b'\n')
            self.qemu.stdin.flush()
        except BrokenPipeError as error:
            raise Gone('L1 has ended') from error

    def lines_to(self, beginning):
        """What it has said since send() if the last line begins like that; waits for something new."""
        if not (data := os.read(self.fileno(), 65536)):
            raise Gone(f'L1 has ended:\n{self.said()}')
        *lines, self.received = (self.received + data).split(b'\n')
        self.lines += [line.decode(errors='replace').rstrip('\r') for line in lines]
        return self.lines if self.lines and self.lines[-1].startswith(beginning) else None

    def said(self):
        return '\n'.join([*self.lines, self.received.decode(errors='replace')])

    def save(self, path):
        """Saves its state."""
        with harness.Qmp(self.qmp_path) as qmp:
            qmp.command('migrate', uri=f'file:{path}')
            how = harness.wait_for(lambda: self.saved(qmp), 'saved state of L1', BOOT_SECONDS)
        if how['status'] == 'failed':
            raise harness.GuestError(f'L1\'s state cannot be saved: {how["error-desc"]}')

    @staticmethod
    def saved(qmp):
        how = qmp.command('query-migrate')
        return how if how['status'] in ('completed', 'failed') else None
