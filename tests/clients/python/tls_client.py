"""Asks a daemon over TLS for its health, in every way of proving who one is; prints the answers as JSON.

usage: tls_client.py HOST:PORT KEYS OTHER-KEYS     (directories that `candord keys` made)
"""

import json
import pathlib
import sys

import grpc

METHOD = "/candor.v1.CandorService/GetDevice"


def ask(target, credentials):
    """The status of one call: OK, or the code of the refusal and its text."""
    with grpc.secure_channel(target, credentials) as channel:
        call = channel.unary_unary(METHOD)  # Without serializers, messages are bytes.
        try:
            answer = call(b"", timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", f"{len(answer) > 0}"


def main():
    """Prints one answer for each way."""
    target, ours, theirs = sys.argv[1], *(pathlib.Path(path) for path in sys.argv[2:4])
    authority = (ours / "ca.pem").read_bytes()

    def tls(keys=None):
        if keys is None:
            return grpc.ssl_channel_credentials(authority)
        return grpc.ssl_channel_credentials(
            authority, (keys / "client.key").read_bytes(), (keys / "client.pem").read_bytes()
        )

    def token(keys):
        text = (keys / "token").read_text().strip()
        return grpc.composite_channel_credentials(tls(), grpc.access_token_call_credentials(text))

    ways = {
        "certificate": tls(ours),
        "token": token(ours),
        "nothing": tls(),
        "other certificate": tls(theirs),
        "other token": token(theirs),
    }
    print(json.dumps({name: ask(target, credentials) for name, credentials in ways.items()}))


if __name__ == "__main__":
    main()
