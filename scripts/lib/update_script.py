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


def main(path):
    with open(path, encoding="utf-8") as file:
        found = dict(blocks(file.read()))
    functions = sorted(name for name in found if "::" in name)
    files = sorted((name for name in found if name.startswith("src/")), key=lambda name: int(name.split(":")[1]))
    for name in ["bootstrap", *functions, *files, "finalize"]:
        text = re.sub(r"^\\echo .*\n", "", found[name])
        text = re.sub(r"^CREATE +FUNCTION", "CREATE OR REPLACE FUNCTION", text, flags=re.M).strip()
        if text:
            print(text, end="\n\n")


main(sys.argv[1])
