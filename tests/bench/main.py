# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs a benchmark: main.py NAME [--json] [--assert].  A benchmark is a module in this
folder whose docstring's first line says what it measures and whose measure(report)
does it.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'guest'), str(HERE.parent / 'xenstore')]
NOT_BENCHMARKS = ('main', 'machine')


class Report:
    """What a benchmark found: values, and targets that a value has to keep."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.values = {}
        self.targets = []

    def say(self, text):
        if not self.quiet:
            print(text, flush=True)

    def value(self, name, value, unit):
        self.values[name] = {'value': round(value, 4), 'unit': unit}
        self.say(f'  {name:44} {value:10.3f} {unit}')

    def target(self, what, value, limit, unit):
        """`value` should be at most `limit`."""
        self.targets.append({'what': what, 'value': round(value, 4), 'limit': round(limit, 4),
                             'unit': unit, 'met': value <= limit})


def describe(target):
    return (f'{"met   " if target["met"] else "MISSED"}  {target["what"]}: '
            f'{target["value"]:.3f} {target["unit"]}, at most {target["limit"]:.3f}')


def benchmarks():
    return {path.stem: importlib.import_module(path.stem)
            for path in sorted(HERE.glob('*.py')) if path.stem not in NOT_BENCHMARKS}


def main():
    known = benchmarks()
    listing = '\n'.join(f'  {name:10} {module.__doc__.strip().splitlines()[0]}'
                        for name, module in known.items())
    parser = argparse.ArgumentParser(
        prog='./bench', formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='./bench NAME [--json] [--assert] [--qemu-src DIR|TARBALL] [--kernel FILE]',
        epilog=f'benchmarks:\n{listing}')
    parser.add_argument('name', nargs='?', choices=known, metavar='NAME', help='which benchmark')
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of lines')
    parser.add_argument('--assert', action='store_true', dest='must',
                        help='exit with 1 if a target is missed, and print that target last')
    options = parser.parse_args()
    if not options.name:
        print(listing)
        return 0

    import harness
    report = Report(options.json)
    try:
        known[options.name].measure(report)
    except (harness.GuestError, harness.NotAvailable) as error:
        sys.exit(f'bench {options.name}: {error}')
    # The missed ones last.
    report.targets.sort(key=lambda target: not target['met'])
    if options.json:
        print(json.dumps({'benchmark': options.name, 'values': report.values,
                          'targets': report.targets}, indent=2))
    missed = [target for target in report.targets if not target['met']]
    for target in missed if options.json else report.targets:
        print(describe(target), file=sys.stderr if options.json else sys.stdout)
    return 1 if options.must and missed else 0


if __name__ == '__main__':
    sys.exit(main())
