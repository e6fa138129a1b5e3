# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs tests in L1: reads their names from standard input, one a line, and writes a line
after each: how many passed, failed and were skipped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'guest'))
from run import run, tests  # noqa: E402

DONE = '@done'


def main():
    for name in sys.stdin:
        _, counts = run(tests([name.strip()]))
        print(DONE, *counts, flush=True)


if __name__ == '__main__':
    main()
