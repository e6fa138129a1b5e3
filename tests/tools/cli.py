#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""xenbed as a user runs it, on a stand-in for QEMU: every refusal, and each
command from create to destroy.

Usage: cli.py XENBED XENSTORED_LITE [unittest's arguments]
"""

import contextlib
import json
import os
import pathlib
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
XENBED = None  # from the command line
XENSTORED_LITE = None
WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))  # of programs for another host
SUN_PATH_MAX = 107
TIMEOUT = 60
PROMPT = 10  # for what would end by itself, too, but later


def pids_mentioning(text):
    """The processes with TEXT in their arguments; zombies have none."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


class Scene(unittest.TestCase):
    """A runtime folder, a kernel and a description file of each test's own."""

    def setUp(self):
        # Short, for the sockets; the comma is one that QEMU's options must survive.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="xb,", dir="/tmp"))
        self.runtime = self.folder / "xenbed"
        self.kernel = self.folder / "vmlinuz"
        self.kernel.write_bytes(b"kernel")
        self.environment = dict(
            os.environ,
            XDG_RUNTIME_DIR=str(self.folder),
            XDG_STATE_HOME=str(self.folder / "state"),
            XENBED_QEMU=str(HERE / "fake_qemu.py"),
            FAKE_QEMU="",
            XENSTORED_LITE=XENSTORED_LITE,
        )
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for pid in pids_mentioning(str(self.folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder)

    def start(self, *arguments, **options):
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environment,
            "cwd": self.folder,
        }
        return subprocess.Popen([*WRAPPER, XENBED, *map(str, arguments)], **(settings | options))

    def xenbed(self, *arguments, status=0, **options):
        """Runs xenbed, asserts its exit status, returns its stdout and stderr."""
        data = options.pop("input", None)
        if data is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(data, timeout=TIMEOUT)
        self.assertEqual(process.returncode, status, (arguments, out, err))
        return out, err

    def assert_fails(self, line, *arguments, status=1):
        """xenbed ARGUMENTS prints "xenbed: LINE" on stderr and nothing more."""
        _, err = self.xenbed(*arguments, status=status)
        self.assertEqual(err, f"xenbed: {line}\n")

    def describe(self, **changes):
        """Writes a description, the good one with CHANGES (None: key left out)."""
        values = {"name": "guest", "memory": 1024, "kernel": str(self.kernel)} | changes
        given = {key: value for key, value in values.items() if value is not None}
        path = self.folder / f"{values['name']}.cfg"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items()))
        return path

    def create(self, **changes):
        out, err = self.xenbed("create", self.describe(**changes))
        self.assertEqual(err, "")
        return out

    def info(self, domain="guest"):
        return json.loads(self.xenbed("info", "--json", domain)[0])

    def wait_until_processes_end(self):
        deadline = time.monotonic() + TIMEOUT
        while pids_mentioning(str(self.runtime)) and time.monotonic() < deadline:
            time.sleep(0.05)

    def assert_nothing_left(self):
        """No domain's folder, no process; the store of a QEMU that was killed ends after it."""
        self.wait_until_processes_end()
        folders = [path.name for path in self.runtime.glob("*") if path.name != ".lock"]
        self.assertEqual(folders, [])
        self.assertEqual(pids_mentioning(str(self.runtime)), [])


class Usage(Scene):
    def test_help_and_version(self):
        out, _ = self.xenbed("--help")
        commands = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(
            commands,
            [
                "create", "list", "mem-set", "mem-max", "console", "pause", "unpause", "shutdown",
                "destroy", "info", "pod", "dmesg",
            ],
        )
        for command in commands:
            out, _ = self.xenbed(command, "--help")
            self.assertIn(f"xenbed {command} ", out)
        self.assertRegex(self.xenbed("--version")[0], r"^xenbed \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        self.assertIn("Usage: xenbed COMMAND", self.xenbed(status=2)[1])
        self.assert_fails("fly: no such command, see xenbed --help", "fly", status=2)
        self.assert_fails("list: Unknown option --fast", "list", "--fast", status=2)
        self.assert_fails(
            "mem-set: wrong number of arguments: "
            "the usage is xenbed mem-set [OPTION...] DOMAIN SIZE",
            "mem-set", "guest", status=2,
        )
        self.xenbed("mem-set", "guest", "5", "6", status=2)
        self.assert_fails(
            "mem-max: wrong number of arguments: "
            "the usage is xenbed mem-max [OPTION...] DOMAIN SIZE",
            "mem-max", "guest", status=2,
        )
        self.assert_fails(
            "pod: wrong number of arguments: the usage is xenbed pod [OPTION...] DOMAIN",
            "pod", status=2,
        )

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            _, err = self.xenbed("list", status=1, stdout=full)
        self.assertEqual(err, "xenbed: standard output: No space left on device\n")


class Refusals(Scene):
    """What create refuses, and that nothing is left after it did."""

    def tearDown(self):
        self.assert_nothing_left()

    def assert_refused(self, line, **changes):
        path = self.describe(**changes)
        self.assert_fails(line.replace("FILE", str(path)), "create", path)

    def test_values(self):
        self.assert_refused("FILE: name: missing", name=None)
        self.assert_refused(
            'FILE: name: "12" is a number, which would be a domain id', name="12"
        )
        self.assert_refused("FILE: memory: missing", memory=None)
        self.assert_refused("FILE: memory: 1024 is more than maxmem, 512", maxmem=512)
        self.assert_refused("FILE:4: vcpus: must be 1 to 128", vcpus=129)
        self.assert_refused(
            "FILE: kernel: missing, a PVH domain has no firmware to start it otherwise",
            type="pvh", kernel=None,
        )
        self.assert_refused(
            'FILE: on_poweroff: "rest" is not supported, only these are: destroy, preserve',
            on_poweroff="rest",
        )
        actions = "destroy, restart, preserve, coredump-destroy, coredump-restart, debug"
        self.assert_refused(
            f'FILE: on_crash: "coredump" is not supported, only these are: {actions}',
            on_crash="coredump",
        )
        self.assert_refused(
            f'FILE: on_hole: "" is not supported, only these are: none, {actions}', on_hole="",
        )
        self.assert_refused("FILE:2: memory: expected a number", memory="lots")
        self.assert_refused("FILE:4: poison: must be 0 or 1", poison=2)
        self.assert_refused("FILE:4: check: expected a number", check="on")

    def test_files(self):
        self.assert_fails("none.cfg: No such file or directory", "create", "none.cfg")
        self.assert_fails(f"{self.folder}: not a regular file", "create", self.folder)
        self.assert_refused("/nowhere: No such file or directory", kernel="/nowhere")
        self.assert_refused(f"{self.folder}: not a regular file", kernel=str(self.folder))
        self.assert_refused("/dev/null: not a regular file", ramdisk="/dev/null")

    @unittest.skipIf(os.geteuid() == 0, "root may read all files")
    def test_unreadable_kernel(self):
        self.kernel.chmod(0)
        self.assert_refused(f"{self.kernel}: Permission denied")

    def test_socket_path_too_long(self):
        room = SUN_PATH_MAX - len(f"{self.runtime}//xenstore.sock")
        name = "n" * (room + 1)
        self.assert_refused(
            f"{self.runtime}/{name}/xenstore.sock: "
            f"path of a socket too long, at most {SUN_PATH_MAX} bytes are allowed",
            name=name,
        )
        self.create(name=name[1:])
        self.xenbed("destroy", name[1:])

    def test_no_qemu(self):
        self.environment["XENBED_QEMU"] = "/nowhere/qemu"
        self.assert_refused("QEMU: /nowhere/qemu: No such file or directory")

    def test_qemu_that_cannot_be_run(self):
        self.environment["XENBED_QEMU"] = str(self.folder / "qemu")
        (self.folder / "qemu").write_text("#!/nowhere/sh\n")
        (self.folder / "qemu").chmod(0o700)
        _, err = self.xenbed("create", self.describe(), status=1)
        self.assertRegex(err, r"^xenbed: guest: .*/qemu.*No such file or directory.*\n$")

    def test_qemu_that_ends(self):
        self.environment["FAKE_QEMU"] = "exit"
        self.assert_refused("guest: QEMU ended: fake_qemu.py: -m: refused; Use another size")

    def test_qemu_that_aborts(self):
        self.environment["FAKE_QEMU"] = "abort"
        self.assert_refused("guest: QEMU ended: something failed")

    def test_qemu_that_ends_without_a_word(self):
        self.environment["FAKE_QEMU"] = "silent"
        self.assert_refused("guest: QEMU ended with status 3 and no message")

    def test_machine_that_does_not_run(self):
        self.environment["FAKE_QEMU"] = "stuck"
        self.assert_refused("guest: cont: it will not run")

    def test_interrupted(self):
        self.environment["FAKE_QEMU"] = "deaf"
        with self.start("create", self.describe()) as process:
            while not (self.runtime / "guest/domain.json").exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PROMPT)
        self.assertEqual((process.returncode, err), (1, "xenbed: guest: interrupted by signal 2\n"))

    def test_runtime_folder_of_others(self):
        self.runtime.mkdir()
        self.runtime.chmod(0o755)
        self.assert_refused(
            f"{self.runtime}: not a folder that belongs to this user alone (mode 0700)"
        )

    def test_unknown_domain(self):
        for command in (
            ["list", "nobody"],
            ["info", "nobody"],
            ["console", "nobody"],
            ["pause", "nobody"],
            ["unpause", "nobody"],
            ["shutdown", "nobody"],
            ["destroy", "nobody"],
            ["dmesg", "nobody"],
            ["dmesg", "-c", "nobody"],
            ["mem-set", "nobody", "500"],
            ["mem-max", "nobody", "500"],
            ["pod", "nobody"],
            ["pod", "--json", "nobody"],
        ):
            self.assert_fails("nobody: no such domain", *command)
        self.assert_fails("7: no such domain", "destroy", "7")


class Life(Scene):
    """Domains from create to their end."""

    def test_create_list_destroy(self):
        path = self.folder / "guest.cfg"
        self.assertEqual(self.create(vcpus=2), f"Parsing config from {path}\n")
        header, row = self.xenbed("list")[0].splitlines()
        self.assertEqual(
            header, "Name                                        ID   Mem VCPUs\tState\tTime(s)"
        )
        self.assertRegex(
            row,
            r"^guest                                        1  1023     2     r-----  {5,7}\d\.\d$",
        )
        self.assertEqual(self.xenbed("list", "guest")[0].splitlines()[1][:60], row[:60])
        self.assertEqual(self.xenbed("list", "1")[0].splitlines()[1][:60], row[:60])
        self.assertEqual(self.xenbed("destroy", "guest"), ("", ""))
        self.assert_nothing_left()

    def test_command_line(self):
        ramdisk = self.folder / "initrd"
        ramdisk.touch()
        self.create(
            vcpus=3, ramdisk=str(ramdisk), extra="a,b c", xen_version="4.18",
            on_crash="coredump-destroy", on_hole="debug", poison=1, check=1, device_model_args=["-d", "guest_errors"],
        )
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes().decode()
        arguments = command.split("\0")[:-1]
        # In QEMU's options a comma is written twice.
        xenstore = str(self.runtime / "guest/xenstore.sock").replace(",", ",,")
        core = str(self.folder / "state/xenbed/dump/guest").replace(",", ",,")
        for option, value in {
            "-accel": "tcg,thread=multi",
            "-object": f"xenbed,id=xenbed0,name=guest,domid=1,xenstore={xenstore},domain-type=hvm,"
            f"xen-version={0x40012},on-crash=coredump-destroy,on-hole=debug,core-file={core},"
            "poison=on,check=on",
            "-cpu": "qemu64,vendor=GenuineIntel,family=6,model=26",
            "-m": "1024M",
            "-smp": "3",
            "-device": "xen-console,chardev=console",
            "-kernel": str(self.kernel),
            "-initrd": str(ramdisk),
            "-append": "a,b c",
            "-d": "guest_errors",
        }.items():
            self.assertEqual(arguments[arguments.index(option) + 1], value, option)
        session = os.getsid(self.info()["pid"])
        self.assertEqual(session, self.info()["pid"])

    def test_time_by_instructions(self):
        """Which QEMU does with one thread for all vCPUs."""
        self.create(icount="shift=3,sleep=off")
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b"\0-accel\0tcg,thread=single\0-icount\0shift=3,sleep=off\0", command)

    def test_options_that_are_off(self):
        self.create(poison=0, check=0)
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b",domain-type=hvm,on-crash=destroy\0", command)

    def test_cmdline_replaces_extra(self):
        _, err = self.xenbed("create", self.describe(extra="a", cmdline="b"))
        self.assertIn("extra: ignored in favour of cmdline\n", err)
        command = pathlib.Path(f"/proc/{self.info()['pid']}/cmdline").read_bytes()
        self.assertIn(b"-append\0b\0", command)

    def test_unknown_key_warns(self):
        path = self.describe(on_reboot="preserve")
        _, err = self.xenbed("create", path)
        self.assertEqual(err, f"xenbed: {path}:4: on_reboot: unknown key, ignored\n")

    def test_second_domain_of_the_same_name(self):
        self.create()
        pid = self.info()["pid"]
        self.assert_fails(
            "guest: a domain of this name exists already (id 1)", "create", self.describe()
        )
        self.assertEqual(self.info()["pid"], pid)

    def test_creates_at_once(self):
        path = self.describe()
        creates = [self.start("create", path) for _ in range(6)]
        errors = [create.communicate(timeout=TIMEOUT)[1] for create in creates]
        self.assertEqual(sorted(create.returncode for create in creates), [0, 1, 1, 1, 1, 1])
        self.assertEqual(
            sorted(set(errors)),
            ["", "xenbed: guest: a domain of this name exists already (id 1)\n"],
        )
        self.assertEqual(self.info()["state"], "r-----")

    def test_ids(self):
        for name in ("a", "b", "c"):
            self.create(name=name)
        self.xenbed("destroy", "2")
        self.create(name="d")
        rows = self.xenbed("list")[0].splitlines()[1:]
        self.assertEqual(
            [row.split()[:2] for row in rows], [["a", "1"], ["d", "2"], ["c", "3"]]
        )
        self.assertEqual(json.loads(self.xenbed("info", "--json")[0])["domains"], 3)

    def test_dead_qemu_is_cleaned_up(self):
        self.create()
        os.kill(self.info()["pid"], signal.SIGKILL)
        self.wait_until_processes_end()
        self.assertEqual(len(self.xenbed("list")[0].splitlines()), 1)
        self.assert_nothing_left()
        self.create()

    def test_other_process_with_the_same_pid(self):
        self.create()
        record = self.runtime / "guest/domain.json"
        values = json.loads(record.read_text())
        self.xenbed("destroy", "guest")
        with subprocess.Popen(["sleep", "60"]) as bystander:
            record.parent.mkdir()
            record.write_text(json.dumps(values | {"pid": bystander.pid}))
            self.assert_fails("guest: no such domain", "destroy", "guest")
            self.assertIsNone(bystander.poll())
            bystander.kill()
        self.assert_nothing_left()

    def test_qemu_that_does_not_answer(self):
        self.create()
        os.kill(self.info()["pid"], signal.SIGSTOP)
        row = self.xenbed("list")[0].splitlines()[1]
        self.assertRegex(
            row,
            r"^guest                                        1     \?     1     \?{6}"
            r"  {5,7}\d\.\d  \(not answering\)$",
        )
        self.xenbed("destroy", "guest")
        self.assert_nothing_left()

    def test_pause(self):
        self.xenbed("create", "-p", self.describe())
        self.assertEqual(self.info()["state"], "--p---")
        self.xenbed("unpause", "guest")
        self.assertEqual(self.info()["state"], "r-----")
        self.xenbed("pause", "guest")
        self.assertEqual(self.info()["state"], "--p---")

    def test_shutdown(self):
        self.create()
        self.assertEqual(self.xenbed("shutdown", "guest")[0], "Shutting down domain 1\n")
        self.wait_until_processes_end()
        self.assertEqual(len(self.xenbed("list")[0].splitlines()), 1)
        self.assert_nothing_left()

    def test_shutdown_that_waits(self):
        self.create()
        self.xenbed("shutdown", "-w", "guest")
        self.assert_nothing_left()

    def test_dmesg(self):
        log = '(XEN) d1: first line\n(XEN) d1: a "second" one: \u20ac %s\n'
        self.xenbed("create", "-p", self.describe(on_poweroff="preserve"))
        self.assertEqual(self.xenbed("dmesg", "guest"), (log, ""))
        self.xenbed("unpause", "guest")
        self.assertEqual(self.xenbed("dmesg", "1"), (log, ""))
        self.xenbed("shutdown", "guest")
        while self.info()["state"] != "---s--":
            time.sleep(0.05)
        self.assertEqual(self.xenbed("dmesg", "guest"), (log, ""))
        # What could not be printed is not cleared.
        with open("/dev/full", "w") as full:
            _, err = self.xenbed("dmesg", "-c", "guest", status=1, stdout=full)
        self.assertEqual(err, "xenbed: standard output: No space left on device\n")
        self.assertEqual(self.xenbed("dmesg", "--clear", "guest"), (log, ""))
        self.assertEqual(self.xenbed("dmesg", "-c", "guest"), ("", ""))
        self.assertEqual(self.xenbed("dmesg", "guest"), ("", ""))

    def test_info(self):
        self.create()
        facts = self.info()
        expected = {
            "name": "guest",
            "domid": 1,
            "pid": facts["pid"],
            "state": "r-----",
            "vcpus": 1,
            "tot_pages": 262128,
            "max_pages": 262400,
            "pod_entries": 0,
            "pod_cache": 0,
            "target": 1048576,
            "static-max": 1048576,
            "videoram": 0,
            "resident": 4096,
            "xenstore": str(self.runtime / "guest/xenstore.sock"),
        }
        self.assertEqual(facts, expected)
        lines = self.xenbed("info", "guest")[0].splitlines()
        self.assertEqual(lines, [f"{key:23}: {value}" for key, value in expected.items()])

    def test_pod(self):
        self.create(memory=256, maxmem=512)
        expected = {
            "tot_pages": 65520,
            "max_pages": 65792,
            "target": 262144,
            "entries": 130053,
            "cache_superpage": 64512,
            "cache_single": 5,
            "populated": 1536,
            "reclaimed": 517,
            "swept": 3,
        }
        self.assertEqual(json.loads(self.xenbed("pod", "--json", "guest")[0]), expected)
        self.assertEqual(
            self.xenbed("pod", "1")[0].splitlines(),
            [
                "tot_pages              : 65520 pages (255.9 MiB)",
                "max_pages              : 65792 pages (257.0 MiB)",
                "target                 : 262144 KiB (256.0 MiB)",
                "entries                : 130053 pages (508.0 MiB)",
                "cache_superpage        : 64512 pages (252.0 MiB)",
                "cache_single           : 5 pages (0.0 MiB)",
                "populated              : 1536 pages (6.0 MiB)",
                "reclaimed              : 517 pages (2.0 MiB)",
                "swept                  : 3 pages (0.0 MiB)",
            ],
        )
        facts = self.info()
        self.assertEqual((facts["pod_entries"], facts["pod_cache"]), (130053, 64517))

    def test_pod_of_a_domain_without_it(self):
        self.create()
        facts = json.loads(self.xenbed("pod", "--json", "guest")[0])
        self.assertEqual([facts.pop(key) for key in ("tot_pages", "target")], [262128, 1048576])
        self.assertEqual(facts.pop("max_pages"), 262400)
        self.assertEqual(set(facts.values()), {0}, facts)
        self.assertIn("entries                : 0 pages", self.xenbed("pod", "guest")[0])

    def test_info_of_the_host(self):
        facts = json.loads(self.xenbed("info", "--json")[0])
        self.assertEqual(facts["qemu"], self.environment["XENBED_QEMU"])
        self.assertEqual(facts["qemu_version"], "QEMU emulator version 10.0.0 (fake)")
        self.assertEqual(facts["runtime_folder"], str(self.runtime))
        self.assertEqual(facts["domains"], 0)
        del self.environment["XENBED_QEMU"]
        beside = pathlib.Path(XENBED).parent.parent / "qemu/qemu-system-x86_64"
        self.assertEqual(json.loads(self.xenbed("info", "--json")[0])["qemu"], str(beside))


class MemSet(Scene):
    def test_returns_at_once(self):
        self.create()
        self.assertEqual(self.xenbed("mem-set", "guest", "500"), ("", ""))
        facts = self.info()
        self.assertEqual((facts["target"], facts["max_pages"]), (512000, 128256))
        self.xenbed("mem-set", "1", "1g")
        self.assertEqual(self.info()["target"], 1048576)

    def test_refusals(self):
        self.create()
        self.assert_fails("lots: invalid memory size", "mem-set", "guest", "lots")
        self.assert_fails(
            "guest: memory_dynamic_max must be less than or equal to memory_static_max",
            "mem-set", "guest", "1025",
        )
        self.assert_fails(
            "--wait=-1: seconds must not be negative", "mem-set", "--wait=-1", "guest", "5"
        )
        facts = self.info()
        self.assertEqual((facts["target"], facts["max_pages"]), (1048576, 262400))

    def test_wait(self):
        self.create()
        for size, kib in (("500", 512000), ("1024", 1048576)):
            out, _ = self.xenbed("mem-set", "--wait", "guest", size)
            self.assertEqual(out, f"guest: reached {kib - 64} KiB (target {kib} KiB)\n")
            self.assertEqual(self.info()["tot_pages"], kib // 4 - 16)

    def assert_not_reached(self, at_least, at_most, wait):
        _, err = self.xenbed("mem-set", wait, "guest", "500", status=1)
        self.assertRegex(
            err,
            r"^xenbed: guest: reached 1048512 KiB, not the target of 512000 KiB, in \d+ s\n$",
        )
        seconds = int(err.split()[-2])
        self.assertTrue(at_least <= seconds <= at_most, err)

    def test_wait_too_short(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(1, 9, "--wait=1")

    def test_wait_for_one_that_stopped(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(10, 49, "--wait")

    def test_wait_as_long_as_told(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        self.assert_not_reached(12, 49, "--wait=12")

    def test_wait_for_one_that_dies(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        pid = self.info()["pid"]
        with self.start("mem-set", "--wait", "guest", "500") as process:
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            _, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(err, r"^xenbed: guest: .*\n$")

    def test_others_are_served_meanwhile(self):
        self.environment["FAKE_QEMU"] = "stubborn"
        self.create()
        with self.start("mem-set", "--wait=2", "guest", "500") as process:
            lists = [self.start("list") for _ in range(5)]
            for one in lists:
                self.assertNotIn("not answering", one.communicate(timeout=TIMEOUT)[0])
            process.communicate(timeout=TIMEOUT)


class MemMax(Scene):
    def assert_memory(self, target, static_max, max_pages):
        facts = self.info()
        self.assertEqual(
            (facts["target"], facts["static-max"], facts["max_pages"]),
            (target, static_max, max_pages),
        )

    def test_effect(self):
        self.create(memory=256, maxmem=512)
        self.assert_memory(262144, 524288, 65792)
        # As measured on Xen 4.17.7.
        self.assertEqual(self.xenbed("mem-max", "guest", "400"), ("", ""))
        self.assert_memory(262144, 409600, 102656)
        # The target itself will do, and so will more than the domain booted with.
        self.xenbed("mem-max", "1", "262144k")
        self.assert_memory(262144, 262144, 65792)
        self.xenbed("mem-max", "guest", "1g")
        self.assert_memory(262144, 1048576, 262400)

    def test_refusals(self):
        self.create(memory=256, maxmem=512)
        self.assert_fails("lots: invalid memory size", "mem-max", "guest", "lots")
        for size in ("255", "262143k", "0"):
            self.assert_fails(
                "guest: memory_static_max must be greater than or or equal to memory_dynamic_max",
                "mem-max", "guest", size,
            )
        self.assert_memory(262144, 524288, 65792)

    def test_target_that_changes_meanwhile(self):
        self.environment["FAKE_QEMU"] = "meddler"
        self.create(memory=256, maxmem=512)
        self.assert_fails(
            "guest: memory_static_max must be greater than or or equal to memory_dynamic_max",
            "mem-max", "guest", "299",
        )
        self.assertEqual(self.info()["static-max"], 524288)
        self.create(name="other", memory=256, maxmem=512)
        self.xenbed("mem-max", "other", "301")
        facts = self.info("other")
        self.assertEqual((facts["target"], facts["static-max"]), (307200, 308224))

    def test_mem_set_goes_by_it(self):
        self.create()
        self.xenbed("mem-max", "guest", "2048")
        self.xenbed("mem-set", "guest", "2048")
        self.assert_memory(2097152, 2097152, 524544)
        self.xenbed("mem-set", "guest", "500")
        self.xenbed("mem-max", "guest", "600")
        self.assert_memory(512000, 614400, 153856)
        self.assert_fails(
            "guest: memory_dynamic_max must be less than or equal to memory_static_max",
            "mem-set", "guest", "601",
        )


class Console(Scene):
    def test_pipe(self):
        self.create()
        out, _ = self.xenbed("console", "guest", input="hello")
        self.assertEqual(out, "<hello>")

    def test_create_shows_the_first_line(self):
        out, _ = self.xenbed("create", "-c", self.describe())
        self.assertTrue(out.endswith("booting\n"), out)

    def test_ends_with_the_domain(self):
        self.create()
        with self.start("console", "guest", stdin=subprocess.PIPE) as process:
            process.stdin.write("x")
            process.stdin.flush()
            self.assertEqual(process.stdout.read(1), "<")
            self.xenbed("destroy", "guest")
            process.wait(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0)

    def attach(self, terminal):
        """Attaches a console to the pty and waits until it is there."""
        process = self.start("console", "guest", stdin=terminal, stdout=terminal)
        while termios.tcgetattr(terminal)[3] & termios.ICANON:
            time.sleep(0.01)
        return process

    def test_terminal(self):
        self.create()
        user, terminal = pty.openpty()
        before = termios.tcgetattr(terminal)
        with self.subTest("Ctrl-]"), self.attach(terminal) as process:
            os.write(user, b"\x03")  # Ctrl-C is the guest's
            shown = b""
            while not shown.endswith(b">") and select.select([user], [], [], TIMEOUT)[0]:
                shown += os.read(user, 100)
            self.assertEqual(shown, b"<\x03>")
            os.write(user, b"\x1d")
            self.assertEqual(process.wait(timeout=TIMEOUT), 0)
            self.assertEqual(termios.tcgetattr(terminal), before)
        for end in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(end), self.attach(terminal) as process:
                process.send_signal(end)
                process.wait(timeout=TIMEOUT)
                self.assertEqual(termios.tcgetattr(terminal), before)
        with self.subTest("end of the domain"), self.attach(terminal) as process:
            self.xenbed("destroy", "guest")
            process.wait(timeout=TIMEOUT)
            self.assertEqual(termios.tcgetattr(terminal), before)
        os.close(user)
        os.close(terminal)


if __name__ == "__main__":
    XENBED = str(pathlib.Path(sys.argv.pop(1)).resolve())
    XENSTORED_LITE = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
