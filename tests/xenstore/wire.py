# SPDX-License-Identifier: GPL-2.0-or-later
"""A xenstore client that sees every byte: messages one by one, in the order of
the wire, and half of one where a test wants that."""

import enum
import itertools
import socket
import struct
from typing import NamedTuple

HEADER = struct.Struct("=IIII")
PAYLOAD_MAX = 4096
HANG = 60  # seconds that only a server that hangs takes
CHUNK = 500  # requests under way in pipeline(): few enough that nobody's buffers fill


class Type(enum.IntEnum):
    CONTROL = 0
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    IS_DOMAIN_INTRODUCED = 17
    DIRECTORY_PART = 22


class Message(NamedTuple):
    type: int
    req_id: int
    tx_id: int
    payload: bytes


class XenstoreError(Exception):
    """The server's answer is an error; str() is its name."""


def to_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode()


def strings(*arguments):
    """Arguments as most requests have them, each with its NUL."""
    return b"".join(to_bytes(argument) + b"\0" for argument in arguments)


def message(type_, payload=b"", req_id=0, tx=0):
    return HEADER.pack(type_, req_id, tx, len(payload)) + payload


def write_message(path, value, req_id=0, tx=0):
    return message(Type.WRITE, strings(path) + to_bytes(value), req_id, tx)


class Client:
    """One connection.  Requests wait for their answer; events met on the way
    are kept, in order, in `events`."""

    def __init__(self, path, timeout=HANG):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Not settimeout(), with which connect() fails when the server's queue is full.
        limit = struct.pack("ll", timeout, 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.socket.setsockopt(socket.SOL_SOCKET, option, limit)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.buffer = bytearray()
        self.events = []
        self.req_ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # -- the wire

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message, whatever it is; EOFError when the server closed."""
        while True:
            if len(self.buffer) >= HEADER.size:
                *fields, length = HEADER.unpack_from(self.buffer)
                assert length <= PAYLOAD_MAX, f"a message of {length} bytes"
                end = HEADER.size + length
                if len(self.buffer) >= end:
                    payload = bytes(self.buffer[HEADER.size : end])
                    del self.buffer[:end]
                    return Message(*fields, payload)
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data

    def reply(self):
        """The next message that is no event."""
        while True:
            received = self.receive()
            if received.type != Type.WATCH_EVENT:
                return received
            self.keep_event(received)

    def keep_event(self, received):
        assert (received.req_id, received.tx_id) == (0, 0), received
        path, token, rest = received.payload.split(b"\0")
        assert rest == b"", received
        self.events.append((path.decode(), token.decode()))

    def event(self):
        """The next event, as (path, token); a reply in its place is an error."""
        if not self.events:
            received = self.receive()
            assert received.type == Type.WATCH_EVENT, received
            self.keep_event(received)
        return self.events.pop(0)

    def answer(self, type_, req_id, tx=0):
        """The reply's payload, after checking that it is the one to this request."""
        received = self.reply()
        assert received[1:3] == (req_id, tx), (received, req_id, tx)
        if received.type == Type.ERROR:
            raise XenstoreError(received.payload.rstrip(b"\0").decode())
        assert received.type == type_, received
        return received.payload

    def request(self, type_, payload=b"", tx=0):
        req_id = next(self.req_ids)
        self.send(message(type_, payload, req_id, tx))
        return self.answer(type_, req_id, tx)

    def pipeline(self, requests):
        """Many (type, payload) at once; returns the answers' payloads."""
        answers = []
        requests = iter(requests)
        while chunk := list(itertools.islice(requests, CHUNK)):
            numbered = [(next(self.req_ids), *request) for request in chunk]
            self.send(b"".join(message(type_, data, number) for number, type_, data in numbered))
            answers += [self.answer(type_, number) for number, type_, _ in numbered]
        return answers

    # -- operations

    def read(self, path, tx=0):
        return self.request(Type.READ, strings(path), tx)

    def write(self, path, value, tx=0):
        assert self.request(Type.WRITE, strings(path) + to_bytes(value), tx) == b"OK\0"

    def write_all(self, values):
        """Writes a dict, pipelined."""
        requests = ((Type.WRITE, strings(path) + to_bytes(values[path])) for path in values)
        assert set(self.pipeline(requests)) <= {b"OK\0"}

    def mkdir(self, path, tx=0):
        assert self.request(Type.MKDIR, strings(path), tx) == b"OK\0"

    def remove(self, path, tx=0):
        assert self.request(Type.RM, strings(path), tx) == b"OK\0"

    def exists(self, path, tx=0):
        try:
            self.read(path, tx)
        except XenstoreError as error:
            if str(error) == "ENOENT":
                return False
            raise
        return True

    def directory(self, path, tx=0):
        try:
            listed = self.request(Type.DIRECTORY, strings(path), tx)
        except XenstoreError as error:
            if str(error) != "E2BIG":
                raise
            listed = self.directory_in_parts(path, tx)
        return [name.decode() for name in listed.split(b"\0")[:-1]]

    def directory_in_parts(self, path, tx=0):
        listed = b""
        generation = None
        while True:
            part = self.request(Type.DIRECTORY_PART, strings(path, len(listed)), tx)
            this, names = part.split(b"\0", 1)
            if generation not in (None, this):  # it changed: from the beginning
                listed, generation = b"", None
                continue
            generation = this
            if names == b"\0" or names.endswith(b"\0\0"):
                return listed + names[:-1]
            listed += names

    def permissions(self, path, tx=0):
        return self.request(Type.GET_PERMS, strings(path), tx).decode().split("\0")[:-1]

    def set_permissions(self, path, *entries, tx=0):
        assert self.request(Type.SET_PERMS, strings(path, *entries), tx) == b"OK\0"

    def watch(self, path, token):
        """Sets a watch and takes its first event."""
        assert self.request(Type.WATCH, strings(path, token)) == b"OK\0"
        first = self.receive()
        assert first == (Type.WATCH_EVENT, 0, 0, strings(path, token)), first

    def unwatch(self, path, token):
        assert self.request(Type.UNWATCH, strings(path, token)) == b"OK\0"

    def start(self):
        return int(self.request(Type.TRANSACTION_START, b"\0").rstrip(b"\0"))

    def commit(self, tx):
        assert self.request(Type.TRANSACTION_END, b"T\0", tx) == b"OK\0"

    def abort(self, tx):
        assert self.request(Type.TRANSACTION_END, b"F\0", tx) == b"OK\0"

    def control(self, *arguments):
        return self.request(Type.CONTROL, strings(*arguments)).rstrip(b"\0").decode()

    def tree(self, path="/"):
        """All below PATH, and it: {path: (value, permissions)}."""
        found = {}
        paths = [path]
        while paths:
            answers = iter(
                self.pipeline(
                    (type_, strings(at)) for at in paths for type_ in (Type.READ, Type.GET_PERMS)
                )
            )
            found |= {at: (next(answers), next(answers)) for at in paths}
            paths = [f"{at.rstrip('/')}/{name}" for at in paths for name in self.directory(at)]
        return found
