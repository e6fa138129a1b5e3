# SPDX-License-Identifier: GPL-2.0-or-later
"""
Guests for tests, demo and benchmarks: start one, type into its console, read what
guest, hypervisor and host say about its memory, and leave nothing behind.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/xenstore'))
import wire  # noqa: E402

XENBED = TOP / 'build/tools/xenbed'
QEMU = TOP / 'build/qemu/qemu-system-x86_64'
PROBE = TOP / 'build/guest-drivers/probe/probe'
INITRAMFS = TOP / 'build/images/initramfs.cpio.gz'

FIRMWARE = ('-L', '/usr/share/seabios', '-L', '/usr/share/qemu')

PAGE_KIB = 4
MIB_KIB = 1024
# What may be resident beyond a domain's pages: what QEMU itself touches in its RAM.
NOISE_MIB = 2

# Bounds against hangs, not expectations: emulation on a busy machine is slow.
BOOT_SECONDS = 180
COMMAND_SECONDS = 180

# What the balloon test's guest has, in MiB; less where each page's first touch takes long.
MEMORY_MIB = int(os.environ.get('XENBED_TEST_MEMORY') or 1024)

# What a domain's counters may take to come to rest.
SETTLE_SECONDS = 60

# Debian's stock kernels: version, and the suites that have it.  The newest changes with time.
KERNELS = {
    '5.10': ('bullseye',),
    '6.1': ('bookworm',),
    '6.12': ('bookworm-backports', 'trixie'),
    'newest': ('sid',),
}
# Those that all tests with a kernel are run on; test_kernels has the others.
USUAL_KERNELS = ('6.1', '6.12')
FLAVOUR = 'cloud-amd64'

READY = 'xenbed guest: '  # what images/guest/init says
TROUBLE = re.compile(r'\] WARNING: |\bBUG\b|\bOops\b|Call Trace|Kernel panic|soft lockup|detected stall'
                     r'|clocksource: .*unstable|irq \d+: nobody cared')
# No trouble: when nobody let the guest run for a second, Linux 7 compares the TSC with Xen's clock twice in a row,
# and holds against it that reading them takes longer the first time.  Usually there are 500 ms in between.
SOON_COMPARED = re.compile(r'.*clocksource: Marking clocksource tsc unstable due to frequency skew\n'
                           r'.*clocksource: Watchdog +\S+ interval: +\d{1,6}ns\n')


class NotAvailable(unittest.SkipTest):
    """What a test needs is missing; says what and how to get it."""


class GuestError(Exception):
    """A guest or a command did not do what it should."""


def made(what, *command):
    """Runs a script of ours that makes or fetches something; returns what it printed."""
    got = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if got.returncode != 0:
        raise NotAvailable(f'{what}: {(got.stderr.strip().splitlines() or ["no reason given"])[-1]}')
    return got.stdout.strip()


def newer(path, *inputs):
    return path.exists() and all(path.stat().st_mtime >= Path(file).stat().st_mtime for file in inputs)


@functools.cache
def kernel(version='6.1', flavour=FLAVOUR):
    """Path of Debian's kernel of this version, or of the one the user gave."""
    if given := os.environ.get('XENBED_KERNEL'):
        return given
    for suite in KERNELS[version]:
        try:
            return made(f'Linux {version} {flavour}', TOP / 'images/fetch-kernel.sh', suite, flavour)
        except NotAvailable as reason:
            last = reason
    raise last


@functools.cache
def vmlinux(version='6.1', flavour=FLAVOUR):
    """Path of the same kernel as an ELF file, which is what starts as PVH."""
    packed = Path(kernel(version, flavour))
    elf = TOP / 'build/images' / packed.name.replace('vmlinuz', 'vmlinux')
    if not newer(elf, packed):
        made(f'Linux {version} {flavour} as ELF', TOP / 'images/extract-vmlinux.sh', packed, elf)
    return str(elf)


@functools.cache
def initramfs(flavour=FLAVOUR):
    """Path of the initramfs for a kernel of this flavour."""
    if not flavour.startswith('686'):
        return INITRAMFS
    path = INITRAMFS.with_name('initramfs-i386.cpio.gz')
    images = TOP / 'images'
    if not newer(path, images / 'mkinitramfs.sh', images / 'fetch-i386.sh', *images.glob('guest/*')):
        made('32-bit initramfs', images / 'mkinitramfs.sh', '--32', path)
    return path


@functools.cache
def bare(name):
    """Path of a guest without an operating system, which starts as a multiboot kernel (see bare.h)."""
    folder = TOP / 'tests/guest'
    source, program = folder / f'{name}.c', TOP / 'build/tests/guest' / name
    if not newer(program, source, folder / 'bare.h'):
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(['gcc', '-m32', '-Os', '-ffreestanding', '-fno-pic', '-fno-stack-protector', '-mno-sse',
                        '-nostdlib', '-static', '-no-pie', '-Wall', '-Wextra', '-Werror', '-Wl,-Ttext=0x100000',
                        '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-o', program, source], check=True)
    return program


def run_bare(program, *options):
    """Such a guest by itself, without a toolstack, until it powers off; returns what came of it."""
    return subprocess.run(['timeout', '-k', '5', str(COMMAND_SECONDS), QEMU, *FIRMWARE,
                           '-nodefaults', '-display', 'none', '-nic', 'none', '-m', '64',
                           '-serial', 'stdio', '-kernel', program, *options],
                          text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def symbol(program, name):
    """The address of a program's variable or function."""
    table = subprocess.run(['nm', program], text=True, capture_output=True, check=True).stdout
    return int(re.search(rf'^(\w+) \w {name}$', table, re.MULTILINE)[1], 16)


@functools.cache
def doctor(name=None):
    """What this machine can do; or of that, what was found of one thing."""
    told = subprocess.run([XENBED, 'doctor', '--json'], env={**os.environ, 'XENBED_ACCEL': 'auto'}, text=True,
                          capture_output=True, check=False)
    report = json.loads(told.stdout)
    return next(finding for finding in report['findings'] if finding['name'] == name) if name else report


def kvm():
    """Skips a test that needs KVM where guests do not run on it."""
    if (report := doctor())['accel'] != 'kvm':
        raise NotAvailable(f'KVM: {report["why"]}')


def kernel_versions():
    return ['given'] if os.environ.get('XENBED_KERNEL') else list(USUAL_KERNELS)


def wait_for(condition, what, seconds, interval=0.05):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise GuestError(f'{what}: not within {seconds} s')
        time.sleep(interval)
    return result


class Console:
    """The shell on a guest's console, behind a Unix socket."""

    def __init__(self, path, log):
        self.log = Path(log)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.received = ''
        self.commands = 0

    def close(self):
        self.socket.close()

    def wait_ready(self, seconds=BOOT_SECONDS):
        """Waits for the shell, then turns its echo and line editing off."""
        self.wait_log(READY + r'.*\n[\s\S]*# ', seconds)
        self.socket.sendall(b'stty -echo; sh 2>&1 | cat\n')
        self.run('true')

    def wait_log(self, pattern, seconds=BOOT_SECONDS, interval=0.05):
        """Waits until this was written, at whatever time."""
        wait_for(lambda: self._drain() or re.search(pattern, self.log_text()), 'guest boot', seconds,
                 interval)

    def _drain(self):
        """A guest that writes into a full socket would stop."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65536):
                pass
        except BlockingIOError:
            pass

    def log_text(self):
        """All the guest has ever written."""
        return self.log.read_text(errors='replace').replace('\r', '') if self.log.exists() else ''

    def drained(self):
        """The same, of a guest that goes on to write while nobody reads."""
        self._drain()
        return self.log_text()

    def send(self, command):
        """Types a shell command, whatever comes of it."""
        self.socket.sendall(f'{command}\n'.encode())

    def run(self, command, seconds=COMMAND_SECONDS):
        """Runs a shell command in the guest; returns its exit status and output."""
        self.commands += 1
        tag = f'@{self.commands}:'
        # What comes between two commands is the end of an echo or a late background job.
        script = f"echo '{tag}'\"begin\"\n{{ {command}\n}} </dev/null\necho '{tag}'$?@\n"
        self.socket.sendall(script.encode())
        found = self._receive(re.compile(tag + r'begin\n([\s\S]*?)' + tag + r'(\d+)@'), command, seconds)
        return int(found[2]), found[1]

    def _receive(self, pattern, what, seconds):
        end = time.monotonic() + seconds
        while not (found := pattern.search(self.received)):
            left = end - time.monotonic()
            if left <= 0:
                raise GuestError(f'guest: no answer to {what!r} within {seconds} s')
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise GuestError(f'guest: console closed during {what!r}')
            self.received += data.decode(errors='replace').replace('\r', '')
        self.received = self.received[found.end():]
        return found


class Qmp:
    """
    QEMU's control socket; events are dropped.  QEMU serves one client at a time, so
    `xenbed` waits while one is open: a context manager.
    """

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND_SECONDS)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile('r')
        self.lines.readline()
        self.command('qmp_capabilities')

    def command(self, name, **arguments):
        self.socket.sendall(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
        for line in self.lines:
            answer = json.loads(line)
            if 'return' in answer:
                return answer['return']
            if 'error' in answer:
                raise GuestError(f'QMP {name}: {answer["error"]["desc"]}')
        raise GuestError(f'QMP {name}: QEMU has gone')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.lines.close()
        self.socket.close()


class Debugger:
    """QEMU's gdb server, which stops the guest; leaves it running at the end."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND_SECONDS)
        self.socket.connect(str(path))
        self.buffer = b''
        self.command('?')

    def send(self, text):
        self.socket.sendall(f'${text}#{sum(text.encode()) % 256:02x}'.encode())

    def command(self, text):
        self.send(text)
        return self.answer()

    def answer(self):
        while (end := self.buffer.find(b'#')) < 0 or len(self.buffer) < end + 3:
            data = self.socket.recv(4096)
            if not data:
                raise GuestError('gdb server: closed')
            self.buffer += data
        answer = self.buffer[self.buffer.index(b'$') + 1:end]
        self.buffer = self.buffer[end + 3:]
        self.socket.sendall(b'+')
        return answer

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.command('D')
        self.socket.close()


class Shell:
    """What is asked of any guest that has a console; Guest and the benchmarks' machines."""

    console = None

    def run(self, command, seconds=COMMAND_SECONDS):
        return self.console.run(command, seconds)

    def ask(self, command, seconds=COMMAND_SECONDS):
        """Runs a command that must succeed; returns its output without the last newline."""
        status, output = self.run(command, seconds)
        if status != 0:
            raise GuestError(f'guest: {command!r} ended with {status}: {output.strip()}')
        return output.rstrip('\n')

    def meminfo(self):
        """/proc/meminfo, in KiB."""
        return {line.split(':')[0]: int(line.split()[1])
                for line in self.ask('cat /proc/meminfo').splitlines()}

    def current_kb(self):
        """What the guest's balloon driver believes to own, in KiB."""
        return int(self.ask('cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb'))

    def trouble(self):
        """The kernel's warnings, as lines."""
        log = SOON_COMPARED.sub('', self.ask('dmesg'))
        return [line for line in log.splitlines() if TROUBLE.search(line)]


class Guest(Shell):
    """
    A domain made by `xenbed create`, in a runtime folder of its own.  A context
    manager: the domain is gone afterwards, and when the block failed the end of its
    console is shown.  What its driver gets from Xen is poisoned, and Xen's counters are
    checked after every call, unless MORE says otherwise.  {folder} in device_model_args is that folder.
    """

    def __init__(self, kernel_path, name='guest', memory=1024, vcpus=1, extra='console=hvc0 quiet',
                 device_model_args=(), **more):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix='xb-', dir='/tmp'))
        self.environment = {**os.environ, 'XDG_RUNTIME_DIR': str(self.folder),
                            'XDG_STATE_HOME': str(self.folder / 'state')}
        self.domain_folder = self.folder / 'xenbed' / name
        self.config = self.folder / f'{name}.cfg'
        self.pid = None
        settings = {
            'name': name, 'memory': memory, 'vcpus': vcpus, 'kernel': str(kernel_path),
            'ramdisk': str(INITRAMFS), 'extra': extra, 'poison': 1, 'check': 1, **more,
        }
        if device_model_args:
            settings['device_model_args'] = [argument.replace('{folder}', str(self.folder))
                                             for argument in device_model_args]
        self.config.write_text(''.join(f'{key} = {json.dumps(value)}\n' for key, value in settings.items()
                                       if value is not None))

    def __enter__(self):
        try:
            self.create()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    @contextlib.contextmanager
    def prepared(self, *options):
        """The domain as `xenbed create OPTIONS` leaves it; nobody waits for a shell in it."""
        try:
            self.xenbed('create', *options, str(self.config))
            self.pid = self.info()['pid']
            yield self
        finally:
            self.__exit__(None, None, None)

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_end()
        if self.console:
            self.console.close()
        if self.domain_folder.exists():
            self.xenbed('destroy', self.name, check=False)
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder)

    def create(self):
        self.xenbed('create', str(self.config))
        self.pid = self.info()['pid']
        self.console = Console(self.domain_folder / 'console.sock', self.domain_folder / 'console.log')
        self.console.wait_ready()

    def show_end(self):
        for log in ('qemu.log', 'console.log'):
            path = self.domain_folder / log
            text = path.read_text(errors='replace').replace('\r', '') if path.exists() else ''
            if text:
                print(f'--- the end of {self.name}\'s {log}:', *text.splitlines()[-40:], '---',
                      sep='\n', file=sys.stderr)

    def xenbed(self, *arguments, check=True):
        """Runs xenbed for this guest; returns the finished process with its output."""
        done = subprocess.run([XENBED, *arguments], env=self.environment, text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT_SECONDS)
        if check and done.returncode != 0:
            raise GuestError(f'xenbed {" ".join(arguments)}: exit {done.returncode}: {done.stderr.strip()}')
        return done

    def info(self):
        return json.loads(self.xenbed('info', '--json', self.name).stdout)

    def pod(self):
        """What populate-on-demand has come to."""
        return json.loads(self.xenbed('pod', '--json', self.name).stdout)

    def qmp(self, command, **arguments):
        """One command on QEMU's monitor."""
        with Qmp(self.domain_folder / 'qmp.sock') as monitor:
            return monitor.command(command, **arguments)

    def gdb(self):
        """A debugger on the guest; a context manager."""
        path = self.folder / 'gdb'
        self.qmp('human-monitor-command', **{'command-line': f'gdbserver unix:{path},server=on,wait=off'})
        return Debugger(path)

    def store(self):
        """The host's own connection to the domain's xenstore; a context manager."""
        return wire.Client(self.domain_folder / 'xenstore.sock')

    def sizes(self):
        """What the three sides say, in KiB: MemTotal, current_kb, tot_pages, resident."""
        info = self.info()
        return {'MemTotal': self.meminfo()['MemTotal'], 'current_kb': self.current_kb(),
                'tot_pages': info['tot_pages'] * PAGE_KIB, 'resident': info['resident']}

    def mem_set(self, mib):
        """Sets the target and waits until the guest is there."""
        self.xenbed('mem-set', f'--wait={COMMAND_SECONDS}', self.name, str(mib))

    def settle(self):
        """Waits until a domain that booted with less than it saw has come to rest; returns its info."""
        def rest():
            before = self.info()
            time.sleep(1)
            info = self.info()
            same = {**info, 'resident': 0} == {**before, 'resident': 0}
            return info if same and info['pod_entries'] <= info['pod_cache'] else None
        return wait_for(rest, 'counters at rest', SETTLE_SECONDS)

    def run_to_stop(self):
        """Lets a prepared guest run until it has shut down or crashed; returns what it printed."""
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(str(self.domain_folder / 'console.sock'))
            self.xenbed('unpause', self.name)
            console.settimeout(0.02)
            output = b''
            while self.info()['state'] == 'r-----':
                output += self.printed(console)
            while data := self.printed(console):
                output += data
        return output.decode(errors='replace').replace('\r', '')

    @staticmethod
    def printed(console):
        """What is there at once."""
        try:
            return console.recv(65536)
        except TimeoutError:
            return b''

    def running(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def reboot(self):
        """Asks the guest to reboot, as a toolstack does, and waits for its shell."""
        boots = self.console.log_text().count(READY)
        with self.store() as store:
            store.write('/local/domain/1/control/shutdown', 'reboot')
        wait_for(lambda: self.console.drained().count(READY) > boots, 'reboot', BOOT_SECONDS)
        self.console.wait_ready()

    def power_off(self):
        """Asks the guest to power off, as a toolstack does, and checks that it did so cleanly."""
        self.xenbed('shutdown', '-w', self.name)
        wait_for(lambda: not self.running(), 'QEMU\'s end', 30)


class Probe(Guest):
    """A guest that does what its words say and nothing else; it stays when it has ended."""

    def __init__(self, words, **more):
        super().__init__(PROBE, **{'name': 'probe', 'extra': words, 'ramdisk': None, 'type': 'pvh',
                                   'on_poweroff': 'preserve', 'on_crash': 'preserve', **more})

    def prepared(self):
        return super().prepared('--paused')

    def run_to_end(self):
        """Lets it run, once; returns what it printed."""
        return self.run_until(lambda output: 'Test result' in output)

    def run_until(self, is_enough):
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(COMMAND_SECONDS)
            console.connect(str(self.domain_folder / 'console.sock'))
            self.xenbed('unpause', self.name)
            output = ''
            while not is_enough(output):
                received = console.recv(65536).decode()
                if not received:
                    raise GuestError(f'QEMU ended after: {output}')
                output += received
            return output

    def output(self):
        """What it has printed so far; lines that nobody read may be there more than once."""
        return (self.domain_folder / 'console.log').read_text().replace('\r', '')
