"""What the traced program does in tests/probe_expectations.rs. Argument: a directory; PORT: where an HTTP server listens."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

directory, port = sys.argv[1], int(os.environ["PORT"])


def read_in_a_thread():
    with open(directory + "/by-thread", "rb") as file:
        file.read()


for _ in range(2):
    thread = threading.Thread(target=read_in_a_thread)
    thread.start()
    thread.join()

# A ClientHello without a server that would understand it.
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="tracker.example")
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
stream = socket.create_connection(("127.0.0.1", port))
stream.sendall(outgoing.read())
stream.close()

# A question to a name server that is not there.
question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05probe\x07example\x00\x00\x01\x00\x01"
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagram.sendto(question, ("127.0.0.1", 53))
datagram.close()

# No connect call: the socket is connected by sending. The second is still connecting when the call returns.
for blocking in (True, False):
    fast = socket.socket()
    fast.setblocking(blocking)
    request = b"GET /fast HTTP/1.1\r\nHost: fast.example\r\n\r\n"
    try:
        fast.sendto(request, socket.MSG_FASTOPEN, ("127.0.0.1", port if blocking else 2))
    except BlockingIOError:
        assert not blocking
    fast.close()

# Two peers of one socket in turn.
turns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5):
    for peer in (4001, 4002):
        turns.sendto(b"1234567", ("127.0.0.2", peer))
turns.close()

server = socket.socket(socket.AF_UNIX)
server.bind(directory + "/socket")
server.listen(3)
client = socket.socket(socket.AF_UNIX)
client.connect(directory + "/socket")
accepted, _ = server.accept()
client.sendall(b"12345")
accepted.recv(100)
for end in (client, accepted, server):
    end.close()

refused = socket.socket()
try:
    refused.connect(("127.0.0.1", 1))
except OSError:
    pass

# Signals: stopped and continued, a real-time signal, a handler, and one that kills.
handled = []
for number in (signal.SIGUSR1, signal.SIGRTMIN + 3):
    signal.signal(number, lambda number, frame: handled.append(number))
    os.kill(os.getpid(), number)
child = subprocess.Popen(["sleep", "0.3"])
os.kill(child.pid, signal.SIGSTOP)
stopped = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
os.kill(child.pid, signal.SIGCONT)
assert child.wait() == 0
killed = subprocess.Popen(["sleep", "30"])
killed.kill()
assert killed.wait() == -signal.SIGKILL

# A child of fork, as another user; and an attempt that is denied.
if os.fork() == 0:
    os.setgid(10123)
    os.setuid(10123)
    open(directory + "/by-user").close()
    try:
        open(directory + "/secret")
    except PermissionError:
        os._exit(5)
    os._exit(6)
_, status = os.wait()

print("handled", len(handled), "stopped by", stopped.si_status, "child", os.waitstatus_to_exitcode(status), flush=True)
# More threads that die with the process, which executes another program from one of them.
threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
threading.Thread(target=os.execv, args=("/bin/sh", ["sh", "-c", "exit 7"])).start()
time.sleep(30)
