#!/usr/bin/env python3
"""Opens an HTML file in headless Chromium and prints how long it took until it was loaded, and until its first screen was there.

usage: page-load.py FILE [RUNS]

Each run is a browser of its own, so that nothing is cached; a page of one line is opened in the same way, to tell the time of
the report from that of the browser. The browser is spoken to over its debugging pipe (file
descriptors 3 and 4, messages of JSON that end with a NUL).
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --remote-debugging-pipe --window-size=1280,1000"
).split()
DEADLINE = 120


class Browser:
    """A browser and the pipe to it."""

    def __init__(self, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        # The numbers 3 and 4 are fixed; the shell puts the pipe there, whatever its ends are called here.
        line = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        command = ["bash", "-c", line, shutil.which("chromium"), *OPTIONS, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(command, pass_fds=(commands, answers), stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.number, self.left, self.events = 0, b"", []
        self.give_up = time.monotonic() + DEADLINE

    def receive(self):
        while b"\0" not in self.left:
            if time.monotonic() > self.give_up or not (more := os.read(self.answers, 1 << 20)):
                sys.exit("the browser does not answer")
            self.left += more
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer.get("method"))

    def wait_for(self, event):
        while event not in self.events:
            self.events.append(self.receive().get("method"))

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)


def measure(file):
    """Seconds until loaded, and until the first screen was drawn; nodes of the document."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            browser.call("Page.enable", session)
            browser.call("Performance.enable", session)
            browser.call("Page.captureScreenshot", session)
            browser.events.clear()
            begin = time.monotonic()
            browser.call("Page.navigate", session, url=pathlib.Path(file).absolute().as_uri())
            browser.wait_for("Page.loadEventFired")
            loaded = time.monotonic() - begin
            picture = base64.b64decode(browser.call("Page.captureScreenshot", session)["data"])
            drawn = time.monotonic() - begin
            if len(picture) < 1_000:
                sys.exit("there is no first screen")
            metrics = {entry["name"]: entry["value"] for entry in browser.call("Performance.getMetrics", session)["metrics"]}
            return loaded, drawn, int(metrics["Nodes"])
        finally:
            browser.close()


def main():
    file, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.NamedTemporaryFile(suffix=".html") as line:
        line.write(b"<!DOCTYPE html><title>one line</title><p>one line")
        line.flush()
        for run in range(1, runs + 1):
            for what, page in (("one line", line.name), ("report", file)):
                loaded, drawn, nodes = measure(page)
                print(
                    f"open {run}, {what}: loaded after {loaded * 1000:.0f} ms, "
                    f"first screen after {drawn * 1000:.0f} ms, {nodes} nodes",
                    flush=True,
                )


main()
