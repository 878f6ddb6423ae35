"""For the Python programs of the corpus."""

import socket
import ssl
import struct


def mark(phase):
    """Lets whoever drives this program mark a phase, and waits until it is marked."""
    print("mark", phase, flush=True)
    input()


def dns_question(name, record_type=1):
    """A DNS question as it goes over UDP."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", record_type, 1)


def send(address, port=80, name="", data=b"some data"):
    """Sends data to a TCP port, as a plain HTTP request when a name is given."""
    with socket.create_connection((address, port), timeout=10) as connection:
        if name:
            head = f"POST /upload HTTP/1.1\r\nHost: {name}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            data = head.encode() + data
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def send_tls(address, server_name=None, data=b"GET / HTTP/1.0\r\n\r\n"):
    """The same over TLS; with no server name the handshake names nobody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, 443), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=server_name) as connection:
            connection.sendall(data)
            while connection.recv(4096):
                pass
