"""Medians, spread and ratios of the rounds in a CSV file, as Markdown tables."""

import csv
import statistics
import sys

comparisons = {}
with open(sys.argv[1]) as file:
    for row in csv.DictReader(file):
        sides = comparisons.setdefault((row["comparison"], row["unit"]), {})
        sides.setdefault(row["side"], []).append(float(row["value"]))

for (title, unit), sides in comparisons.items():
    floor = next(iter(sides.values()))
    print(f"\n## {title}\n\n| side | {unit} | lowest – highest | ratio |\n|---|---:|---:|---:|")
    for side, values in sides.items():
        ratio = statistics.median(value / least for value, least in zip(values, floor))
        print(f"| {side} | {statistics.median(values):.0f} | {min(values):.0f} – {max(values):.0f} | {ratio:.2f} |")
