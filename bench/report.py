"""Medians, spread and ratios of the rounds in a CSV file, as Markdown tables."""

import csv
import statistics
import sys


def figures(value):
    """A number as precise as it can mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


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
        print(f"| {side} | {figures(statistics.median(values))} | {figures(min(values))} – {figures(max(values))} | {ratio:.2f} |")
