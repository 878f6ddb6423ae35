"""A stand-in for Android's resolver (netd), and a client that speaks to it as bionic does. The client is a process of its own,
named "client". The formats are those of DnsProxyListener.cpp, bionic's getaddrinfo.c and NetdClient.cpp."""

import base64
import ctypes
import os
import socket
import struct
import sys

PATH = "/dev/socket/dnsproxyd"


def be32(*numbers):
    return b"".join(struct.pack(">i", number) for number in numbers)


def counted(content):
    return be32(len(content)) + content


def address_info(address, canonical):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    if family == socket.AF_INET:
        end = struct.pack("<HH", family, 0) + packed + bytes(8)
    else:
        end = struct.pack("<HHI", family, 0, 0) + packed + bytes(4)
    return be32(1, 0, family, socket.SOCK_STREAM, 6) + counted(end) + counted(canonical)


def answer(line):
    words = line.decode().split(" ")
    if words[0] == "getaddrinfo" and words[1] == "api.example.com":
        yield b"222\0"
        yield address_info("192.0.2.1", b"edge.example.net\0")
        yield address_info("2001:db8::1", b"")
        yield be32(0)
    elif words[0] == "getaddrinfo":
        yield b"401\0" + be32(4) + struct.pack("<i", 8)
    elif words[0] == "gethostbyname":
        yield b"222\0" + counted(words[2].encode() + b"\0") + counted(b"") + be32(2, 4)
        yield counted(socket.inet_aton("192.0.2.7") + bytes(12)) + counted(b"")
    elif words[0] == "resnsend":
        message = bytearray(base64.b64decode(words[3]))
        message[2], message[3], message[7] = 0x81, 0x80, 1
        message += bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9])
        yield be32(0)
        yield counted(bytes(message))


def serve(listener, rounds):
    for _ in range(rounds):
        connection, _ = listener.accept()
        line = b""
        while not line.endswith(b"\0"):
            line += connection.recv(4096)
        for piece in answer(line[:-1]):
            connection.sendall(piece)
        connection.close()


def ask(*pieces, read):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(PATH)
    for piece in pieces:
        connection.sendall(piece)
    if read is None:
        # As FILE does.
        while connection.recv(1024):
            pass
    else:
        # As NetdClient does: each number by itself, then the content.
        while os.read(connection.fileno(), read):
            pass
    connection.close()


def client():
    # PR_SET_NAME
    ctypes.CDLL(None).prctl(15, b"client", 0, 0, 0)
    ask(b"getaddrinfo api.example.com ^ -1 -1 -1 -1 100\0", read=None)
    # The line and its end in two writes.
    ask(b"getaddrinfo missing.example.com 443 1024 2 1 0 100", b"\0", read=4)
    ask(b"gethostbyname 100 old.example.com 2\0", read=7)
    name = b"\x03raw\x07example\x03com\0"
    query = struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    ask(b"resnsend 100 0 " + base64.b64encode(query) + b"\0", read=4)


with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
    listening.bind(PATH)
    listening.listen()
    child = os.fork()
    if child == 0:
        client()
        os._exit(0)
    serve(listening, 4)
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
