"""Turns the install script that cargo-pgrx writes into statements for a database that has an earlier version."""

import re
import sys


def blocks(script):
    """The blocks of the script, each with the name of what it makes, or else the place in src/ that asks for it."""
    for block in script.split("/* <begin connected objects> */")[2:]:
        comments, text = re.match(r"\s*((?:--[^\n]*\n)*)(.*?)\s*/\* </end", block, flags=re.S).groups()
        place, name = (comments.splitlines() + [""])[:2]
        made = name in ("-- bootstrap", "-- finalize") or "::" in name
        yield (name if made else place).removeprefix("-- "), text


def order(block):
    """Functions by name, then files as src/lib.rs lists them, between the first block and the last."""
    name, text = block
    if name in ("bootstrap", "finalize"):
        return (0 if name == "bootstrap" else 3,)
    return (1, name, text) if "::" in name else (2, int(name.split(":")[1]))


def main(path):
    with open(path, encoding="utf-8") as file:
        found = sorted(blocks(file.read()), key=order)
    for _, text in found:
        text = re.sub(r"^\\echo .*\n", "", text)
        text = re.sub(r"^CREATE +FUNCTION", "CREATE OR REPLACE FUNCTION", text, flags=re.M).strip()
        if text:
            print(text, end="\n\n")


main(sys.argv[1])
