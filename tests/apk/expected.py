#!/usr/bin/env python3
"""What Debian's aapt and apksigner say of an APK, as JSON on standard output, for tests/real_apk.rs to compare with.

usage: expected.py FILE.apk
"""

import json
import re
import subprocess
import sys

KINDS = {"activity": "activity", "activity-alias": "activity_alias", "service": "service", "receiver": "receiver", "provider": "provider"}
ASKING = ("uses-permission", "uses-permission-sdk-23", "uses-permission-sdk-m")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def tree(apk):
    """Elements as (depth, name, line, attributes), in order."""
    elements = []
    for line in run("aapt", "dump", "xmltree", apk, "AndroidManifest.xml").splitlines():
        if found := re.match(r"( *)E: (\S+) \(line=(\d+)\)", line):
            elements.append((len(found[1]), found[2], int(found[3]), {}))
        elif found := re.match(r" *A: (\S+?)(?:\(0x[0-9a-f]+\))?=(.*)", line):
            elements[-1][3][found[1]] = found[2]
    return elements


def text(value, references):
    if value is None:
        return None
    if found := re.match(r'"(.*)" \(Raw: ', value):
        return found[1]
    if found := re.match(r"@0x([0-9a-f]+)", value):
        return references.get(found[1])
    if found := re.match(r"\(type 0x[0-9a-f]+\)0x([0-9a-f]+)", value):
        return int(found[1], 16)
    return None


def resources(apk):
    """Values of resources in the default configuration, by id."""
    values, default, name = {}, False, None
    for line in run("aapt", "dump", "--values", "resources", apk).splitlines():
        if found := re.match(r" *config (.*):$", line):
            default = found[1] == "(default)"
        elif found := re.match(r" *resource 0x([0-9a-f]+) \S+: t=0x([0-9a-f]+) d=0x([0-9a-f]+)", line):
            name = found[1] if default else None
            if name and found[2] == "12":
                values[name] = int(found[3], 16) != 0
            elif name and found[2] == "01":
                values[name] = ("reference", found[3])
        elif (found := re.match(r' *\(string\d*\) "(.*)"$', line)) and name:
            values[name] = found[1]
    for _ in range(9):
        for key, value in values.items():
            if isinstance(value, tuple):
                values[key] = values.get(value[1])
    return values


def main(apk):
    elements, references = tree(apk), resources(apk)

    def get(attributes, name):
        return text(attributes.get(name), references)

    manifest = elements[0][3]
    out = {
        "package": get(manifest, "package"),
        "version_code": get(manifest, "android:versionCode"),
        "version": get(manifest, "android:versionName"),
        "label": None,
        "min_sdk": None,
        "target_sdk": None,
        "permissions": [],
        "components": [],
    }
    for index, (depth, name, line, attributes) in enumerate(elements):
        if name == "uses-sdk":
            out["min_sdk"] = get(attributes, "android:minSdkVersion")
            out["target_sdk"] = get(attributes, "android:targetSdkVersion")
        elif name in ASKING:
            out["permissions"].append([get(attributes, "android:name"), get(attributes, "android:maxSdkVersion"), line])
        elif name == "application" and out["label"] is None:
            out["label"] = get(attributes, "android:label")
        elif name in KINDS:
            below = []
            for other in elements[index + 1 :]:
                if other[0] <= depth:
                    break
                below.append(other[1])
            class_name = get(attributes, "android:name")
            if class_name.startswith("."):
                class_name = out["package"] + class_name
            elif "." not in class_name:
                class_name = out["package"] + "." + class_name
            default = (out["target_sdk"] or 99) < 17 if name == "provider" else "intent-filter" in below
            exported = get(attributes, "android:exported")
            authorities = get(attributes, "android:authorities") or ""
            out["components"].append(
                {
                    "kind": KINDS[name],
                    "name": class_name,
                    "exported": default if exported is None else bool(exported),
                    "authorities": [part for part in authorities.split(";") if part],
                    "service_types": get(attributes, "android:foregroundServiceType") or 0,
                }
            )
    signed = run("apksigner", "verify", "--print-certs", "--min-sdk-version", "24", apk)
    signers = re.findall(r"^Signer #\d+ certificate SHA-256 digest: ([0-9a-f]{64})$", signed, re.M)
    if not signers:
        # Signed by the first scheme alone: it counts on devices below API level 24.
        signed = run("apksigner", "verify", "--print-certs", "--min-sdk-version", "18", "--max-sdk-version", "23", apk)
        signers = re.findall(r"^Signer #\d+ certificate SHA-256 digest: ([0-9a-f]{64})$", signed, re.M)
    out["signers"] = signers
    json.dump(out, sys.stdout, indent=1, ensure_ascii=False)


main(sys.argv[1])
