# SPDX-License-Identifier: GPL-2.0-or-later
"""
Taking 512 MiB out of a guest and giving it back: Xen's balloon and virtio-balloon.

One guest has both, and they take turns.  A second guest, in the same run, scrubs:
there Linux zeroes each page before it gives it to Xen, which may cost what zeroing
costs, no more.  All memory is touched before it is taken out.
"""

import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import wire
from machine import Machine

FULL, SMALL = 1024, 512
MOVED = FULL - SMALL
MORE_ROUNDS = 5
POLL_SECONDS = 0.002
# In the order in which they need each other; a kernel may have some built in.
MODULES = ('virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev',
           'virtio_pci', 'virtio_balloon')
PATH = '/objects/xenbed0'
TARGET = '/local/domain/1/memory/target'


class Xen:

    def __init__(self, machine):
        self.machine = machine
        self.store = wire.Client(machine.folder / 'xenstore')
        self.store_target = int(self.store.read(TARGET))
        self.pages = self.tot_pages()

    def tot_pages(self):
        return self.machine.qmp.command('qom-get', path=PATH, property='domain')['tot-pages']

    def start(self, mib):
        self.goal = self.pages - (FULL - mib) * harness.MIB_KIB // harness.PAGE_KIB
        self.store.write(TARGET, self.store_target - (FULL - mib) * harness.MIB_KIB)

    def done(self):
        return self.tot_pages() == self.goal


class Virtio:

    def __init__(self, machine):
        self.machine = machine
        for module in MODULES:
            machine.ask(f'f=/lib/modules/{module}.ko; [ ! -e $f ] || insmod $f')

    def start(self, mib):
        self.goal = mib << 20
        self.machine.qmp.command('balloon', value=self.goal)

    def done(self):
        return self.machine.qmp.command('query-balloon')['actual'] == self.goal


def timed(balloon, mib):
    start = time.monotonic()
    balloon.start(mib)
    harness.wait_for(balloon.done, f'balloon to {mib} MiB', harness.COMMAND_SECONDS, POLL_SECONDS)
    return time.monotonic() - start


def with_modules(folder, kernel):
    """The initramfs with the kernel's virtio modules in it."""
    modules = [path for name in MODULES if (path := Path(kernel).parent / f'virtio/{name}.ko').exists()]
    if not modules:
        raise harness.NotAvailable(f'{kernel}: no virtio modules beside it: leave out --kernel')
    initrd = Path(folder) / 'initramfs.cpio.gz'
    subprocess.run([harness.TOP / 'images/mkinitramfs.sh', initrd, *modules], check=True)
    return initrd


def measure(report):
    kernel = harness.kernel()
    with tempfile.TemporaryDirectory() as folder:
        initrd = with_modules(folder, kernel)
        with (Machine(kernel, True, memory=FULL, initrd=initrd, extra='xen_scrub_pages=0',
                      devices=('-device', 'virtio-balloon-pci')) as both,
              Machine(kernel, True, memory=FULL, extra='xen_scrub_pages=1') as scrubbing):
            times = take_turns({'virtio': Virtio(both), 'xen': Xen(both),
                                'xen-scrub': Xen(scrubbing)})
            zeroing = statistics.median(zeroing_seconds(scrubbing) for _ in range(MORE_ROUNDS))
    results(report, times, zeroing)


def zeroing_seconds(machine):
    return float(re.search(r'in (\S+) s', machine.ask(f'memhold zero {MOVED}'))[1])


def take_turns(balloons):
    times = {name: {'out': [], 'in': []} for name in balloons}
    for _ in range(1 + MORE_ROUNDS):
        for name, balloon in balloons.items():
            balloon.machine.ask('memhold touch')
            times[name]['out'].append(timed(balloon, SMALL))
            times[name]['in'].append(timed(balloon, FULL))
    return times


def results(report, times, zeroing):
    report.say(f'{MOVED} MiB out of a guest of {FULL} MiB and in again, 1 vCPU: '
               f'first time, and median of the next {MORE_ROUNDS}')
    found = {}
    for name, directions in times.items():
        for direction, runs in directions.items():
            for which, value in (('first', runs[0]), ('median', statistics.median(runs[1:]))):
                found[name, direction, which] = value
                report.value(f'{name}/{direction}/{which}', value, 's')
    report.value('zeroing', zeroing, 's')
    for direction in ('out', 'in'):
        for which in ('first', 'median'):
            virtio = found['virtio', direction, which]
            report.target(f'xen, no scrubbing, to virtio: {direction}, {which}',
                          found['xen', direction, which] / virtio, 1.0, 'times')
            report.target(f'xen, scrubbing: {direction}, {which} (virtio and zeroing)',
                          found['xen-scrub', direction, which], virtio + zeroing, 's')
