#!/usr/bin/env python3
"""units.py: judges the test vectors that are no packages by the functions of docs/verify.py.

    units.py [path of verify.py]

What the files hold, and what each item says of itself, is told in tests/vectors/README.md. One line for each difference, and a
last line with the numbers. Ends with 1 if there is a difference or if of some file nothing was judged, else with 0.
"""

import importlib.util
import json
import pathlib
import sys

# What verify.py cannot judge, since no package holds it: it was written to judge packages, and has no function for these.
# They are counted by themselves. Whatever else it does not know is a difference.
IN_NO_PACKAGE = {"communique.v1.trust", "remark"}

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class NotJudged(Exception):
    """No verdict is to be had on an item, for this reason."""


def whole(text):
    """A text; a long one is a list of pieces, each with how often it stands in a row."""
    return text if isinstance(text, str) else "".join(piece * times for piece, times in text)


def statement(verify, item):
    if item["typ"] in IN_NO_PACKAGE:
        raise NotJudged("%s: no package holds one, so verify.py does not know it" % item["typ"])
    compact = whole(item["compact"])
    verify.need(len(verify.utf8(compact)) <= verify.MAX_STATEMENT, "it is too long")  # asked where a file is read
    prefix, name = item["typ"].rsplit(".", 1)
    verify.need(prefix == verify.FORMAT, "it is of another version of the format")
    signed = verify.parse_statement(compact, name).signed_by(verify.key(item["key"], "key"))
    verify.need(signed, "it is not signed by this key")


def document(verify, item):
    if item["kind"] in IN_NO_PACKAGE:
        raise NotJudged("%s: no package holds one, so verify.py does not know it" % item["kind"])
    data = verify.utf8(whole(item["document"]))
    if item["kind"] == "charter":
        verify.Charter(data)
    elif item["kind"] == "manifest":
        verify.Manifest(data)
    elif item["kind"] == "entry":
        verify.need(len(data) <= verify.MAX_ENTRY, "it is too long")  # asked where a file is read
        verify.Entry(data, 0)
    else:
        raise KeyError(item["kind"])


def key(verify, item):
    verify.key({"crv": "Ed25519", "kty": "OKP", "x": item["x"]}, "key")


def text(verify, item):
    data = verify.bytes_of(item["utf8"], "utf8") * item["times"]
    if item["kind"] == "text":
        fault = verify.text_fault(data, item["dir"] == "rtl")
        verify.need(fault is None, fault)
        return
    try:
        value = data.decode("utf-8")
    except UnicodeDecodeError:
        raise verify.Bad("bytes that are not UTF-8")
    {"line": verify.line, "prose": verify.prose}[item["kind"]](value, "it")


GOOD, BAD, FOREIGN = "good", "not good", "not to be judged"


def good_if(good):
    return GOOD if good else BAD


# The file; what judges an item, and raises Bad if it is not good; what is to be said of the item; what it is.
FILES = [
    ("statements.json", statement, lambda item: good_if(item["valid"]), lambda item: "%s, %s" % (item["typ"], item["says"])),
    (
        "documents.json",
        document,
        lambda item: FOREIGN if item["foreign"] else good_if(item["valid"]),
        lambda item: "%s, %s" % (item["kind"], item["says"]),
    ),
    ("keys.json", key, lambda item: good_if(item["accepted"]), lambda item: item["says"]),
    ("texts.json", text, lambda item: good_if(not item["faults"]), lambda item: "%s, %s" % (item["kind"], item["faults"] or "good")),
]


def verdict(verify, judge, item):
    """What verify.py says of the item, and in words why."""
    try:
        judge(verify, item)
        return GOOD, GOOD
    except verify.Bad as bad:
        return BAD, str(bad)
    except verify.CannotJudge as error:
        # Of another version of the format; or this Python does not know Unicode 14.0.
        if int(verify.unicodedata.unidata_version.split(".")[0]) < 14:
            raise NotJudged(str(error))
        return FOREIGN, "cannot be judged: %s" % error


def main(arguments):
    if len(arguments) > 1:
        sys.exit("usage: units.py [path of verify.py]")
    sys.dont_write_bytecode = True  # nothing is to be left beside verify.py
    path = arguments[0] if arguments else ROOT / "docs" / "verify.py"
    spec = importlib.util.spec_from_file_location("verify", path)
    verify = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verify)
    if verify.Ed25519PublicKey is None or not verify.self_check():
        sys.exit("units: the Python package cryptography is missing, or does not verify Ed25519")
    judged, differences, nothing = 0, 0, False
    for name, judge, said, what in FILES:
        items = json.loads((ROOT / "tests" / "vectors" / name).read_text(encoding="ascii"))
        here, reasons = 0, {}
        for number, item in enumerate(items, 1):
            expected = said(item)
            try:
                found, words = verdict(verify, judge, item)
            except NotJudged as reason:
                reasons[str(reason)] = reasons.get(str(reason), 0) + 1
                continue
            except Exception as error:
                found, words = None, "ended with %s" % type(error).__name__
            here += 1
            if found != expected:
                differences += 1
                print(ascii("%s, item %d (%s): expected: %s; verify.py: %s" % (name, number, what(item), expected, words))[1:-1])
        for reason, count in sorted(reasons.items()):
            print("units: %s: %d not judged, %s" % (name, count, reason))
        if here == 0:
            print("units: %s: NOTHING was judged" % name)
            nothing = True
        judged += here
    print("units: %d items, differences: %d" % (judged, differences))
    return 1 if differences or nothing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
