# SPDX-License-Identifier: GPL-2.0-or-later
"""
The demo: a stock Debian guest gives half of its memory back and takes it again, and
what guest, hypervisor and host say is compared.  Exit status 0 if they agree.
"""

import os
import sys
import time

import harness
from harness import Guest, MIB_KIB, PAGE_KIB, XENBED

NAME, FULL, SMALL = 'debian', 1024, 512
STEP_KIB = (FULL - SMALL) * MIB_KIB
HOST_TOLERANCE = 0.05
COLOURS = sys.stdout.isatty() and 'NO_COLOR' not in os.environ


def paint(code, text):
    return f'\033[{code}m{text}\033[0m' if COLOURS else text


def say(text=''):
    print(text, flush=True)


def title(text):
    say('\n' + paint('1;36', text))


class Demo:

    def __init__(self, guest):
        self.guest = guest
        self.steps = []
        self.program = os.path.relpath(XENBED)

    def xenbed(self, *arguments):
        """As a user would type it, with what it prints."""
        say(paint('1', f'$ {self.program} {" ".join(arguments)}'))
        shown = self.guest.xenbed(*arguments).stdout.rstrip('\n')
        if shown:
            say(shown)

    def in_guest(self, command):
        say(paint('1', f'{NAME}:~# {command}'))
        say(self.guest.ask(command))

    def look(self, when):
        """Notes what the three sides say, and shows it."""
        sizes = self.guest.sizes()
        self.steps.append((when, sizes))
        say()
        self.table(self.steps[-1:])

    @staticmethod
    def table(steps):
        say(paint('2', f'{"":20}{"guest":^24} | {"hypervisor":^23} | host'))
        say(paint('2', f'{"":20}{"MemTotal":>12}{"current_kb":>12} | {"tot_pages":>23} |{"resident":>12}'))
        for when, sizes in steps:
            pages = sizes['tot_pages'] // PAGE_KIB
            say(f'{when:20}{sizes["MemTotal"]:>9} kB{sizes["current_kb"]:>9} kB |'
                f' {pages:>9} = {sizes["tot_pages"]:>8} kB |{sizes["resident"]:>9} kB')

    def compare(self):
        """The summary; True if all agree."""
        title('Do they agree?')
        self.table(self.steps)
        say()
        checks = []
        for (_, before), (when, after), change in zip(self.steps, self.steps[1:], (-STEP_KIB, STEP_KIB)):
            changes = {what: after[what] - before[what] for what in ('MemTotal', 'current_kb', 'tot_pages')}
            checks.append((f'{when}: guest and hypervisor changed by {change:+} kB',
                           ', '.join(f'{what} {got:+} kB' for what, got in changes.items()),
                           set(changes.values()) == {change}))
        for when, sizes in self.steps:
            share = sizes['resident'] / sizes['tot_pages']
            checks.append((f'{when}: the host gives what the hypervisor counts, within 5 %',
                           f'resident is {share:.1%} of tot_pages', abs(share - 1) <= HOST_TOLERANCE))
        trouble = self.guest.trouble()
        checks.append(('the guest\'s kernel has no complaint', ' / '.join(trouble) or 'none', not trouble))
        for what, value, good in checks:
            say(f'  {paint("32", "yes") if good else paint("1;31", "NO "):3}  {what}\n       {value}')
        return all(good for _, _, good in checks)

    def run(self):
        self.xenbed('list')
        self.in_guest('uname -sr; dmesg | grep -E "Hypervisor detected|xen:balloon"')
        say('\nThe host gives memory when it is first touched. So the guest touches all it has:')
        self.in_guest('memhold touch')
        self.look('booted')

        title(f'Down to {SMALL} MiB')
        self.xenbed('mem-set', '--wait', NAME, str(SMALL))
        self.xenbed('list')
        self.look(f'mem-set {SMALL}')

        title(f'Up to {FULL} MiB')
        self.xenbed('mem-set', '--wait', NAME, str(FULL))
        self.xenbed('list')
        self.in_guest('memhold touch')
        self.look(f'mem-set {FULL}')

        agree = self.compare()
        title('Power off')
        self.xenbed('shutdown', '-w', NAME)
        return agree


def main():
    os.chdir(harness.TOP)
    start = time.monotonic()
    try:
        kernel = harness.kernel()
    except harness.NotAvailable as missing:
        sys.exit(f'demo: {missing}')
    title(f'A stock Debian guest, {FULL} MiB, emulated: no Xen, no KVM, nothing in it changed')
    guest = Guest(kernel, name=NAME, memory=FULL, poison=0, check=0)
    say(f'# {NAME}.cfg\n' + guest.config.read_text().rstrip('\n'))
    say(paint('1', f'$ {os.path.relpath(XENBED)} create {NAME}.cfg'))
    try:
        with guest:
            agree = Demo(guest).run()
    except harness.GuestError as error:
        sys.exit(f'demo: {error}')
    say(f'\n{time.monotonic() - start:.0f} s. Next: {os.path.relpath(XENBED)} --help, ./check')
    say(paint('1;32', 'Guest, hypervisor and host agree.') if agree
        else paint('1;31', 'Guest, hypervisor and host do NOT agree.'))
    return 0 if agree else 1


if __name__ == '__main__':
    sys.exit(main())
