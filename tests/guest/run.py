# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs the tests with a guest, also those of ../hosts: run.py [--counts FILE] [NAME...],
a NAME as unittest takes it (test_balloon, test_balloon.Linux6_1.test_1_vcpu).  The
counts go to FILE as "passed failed skipped".
"""

import argparse
import sys
import time
import unittest
from pathlib import Path


HERE = Path(__file__).resolve().parent
FOLDERS = [str(HERE), str(HERE.parent / 'hosts')]
sys.path[:0] = FOLDERS


class Result(unittest.TextTestResult):
    """One line for each test, with the time it took."""

    passed = 0

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def getDescription(self, test):
        return test.id()

    def addSuccess(self, test):
        self.passed += 1
        self.stream.write(f'{time.monotonic() - self.started:.1f} s ')
        super().addSuccess(test)


def tests(names):
    """The tests of these names, or all."""
    loader = unittest.TestLoader()
    return (loader.loadTestsFromNames(names) if names else
            unittest.TestSuite(loader.discover(folder, top_level_dir=folder) for folder in FOLDERS))


def run(suite):
    """Runs them; returns the result, and how many passed, failed and were skipped."""
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return result, (result.passed, failed, len(result.skipped))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--counts', type=Path)
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()

    result, counts = run(tests(options.names))
    if options.counts:
        options.counts.write_text('{} {} {}\n'.format(*counts))
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
