"""Writes bench/results/ and the newest results in README.md from the rounds in bench/results/rounds.csv."""

import csv
import pathlib
import re
import statistics

import plot

BENCH = pathlib.Path(__file__).parent
RESULTS = BENCH / "results"
README = BENCH.parent / "README.md"
BEGIN, END = "<!-- bench/run writes from here -->", "<!-- to here -->"


class Side:
    """What the rounds of one side with one number of clients gave."""

    def __init__(self, comparison, clients, name):
        self.comparison, self.clients, self.name = comparison, clients, name
        self.values, self.errors = [], 0

    def add(self, row):
        self.unit, self.date, self.load, self.machine = row["unit"], row["date"], row["load"], row["machine"]
        self.values.append(float(row["value"]))
        self.errors += int(row["errors"])

    @property
    def path(self):
        """None of a side that is no more."""
        return next((BENCH / "comparisons" / self.comparison).glob(self.name + ".*"), None)

    @property
    def title(self):
        return re.sub(r"^(--|#) ", "", self.path.read_text().splitlines()[0])

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def is_rate(self):
        return self.unit.endswith("a second")


class Comparison:
    """The sides of a folder in bench/comparisons, and what is said about them there."""

    def __init__(self, name):
        self.name, self.sides = name, {}
        self.folder = BENCH / "comparisons" / name
        self.title, self.about = (self.folder / "about.txt").read_text().rstrip("\n").split("\n", 1)

    def add(self, row):
        key = (int(row["clients"]), row["side"])
        side = self.sides.get(key) or Side(self.name, *key)
        if side.path:
            self.sides[key] = side
            side.add(row)

    def by_clients(self):
        groups = {}
        for (clients, _), side in self.sides.items():
            groups.setdefault(clients, []).append(side)
        return groups

    def aims(self):
        """Each aim of the folder, for each number of clients it was measured with."""
        path = self.folder / "aims.csv"
        for aim in csv.DictReader(path.open()) if path.exists() else ():
            for clients, sides in self.by_clients().items():
                named = {side.name.split("_", 1)[1]: side for side in sides}
                if aim["side"] in named:
                    yield Aim(self, aim, clients, named)


class Aim:
    """A limit that the issue of the benchmark sets to what one side has of another's rate or cost, or to its errors."""

    def __init__(self, comparison, aim, clients, sides):
        self.row, self.clients, self.comparison = int(aim["row"]), clients, comparison
        self.relation, limit = aim["relation"], float(aim["limit"])
        self.side, self.measure = sides[aim["side"]], aim["measure"]
        self.least = None
        if self.measure == "errors":
            self.measured = self.side.errors
            self.text = f"errors: {self.relation} {limit:.0f}"
        else:
            other = sides[aim["other"]]
            self.measured = self.compared(self.side, other)
            self.text = f"{self.measure}: {self.relation} {aim['limit']} of “{other.title}”"
            if aim.get("least"):
                least, _, base = aim["least"].partition("/")
                self.least = self.compared(sides[least], sides[base] if base else other)
        self.reached = self.measured >= limit if self.relation == "at least" else self.measured <= limit

    def compared(self, side, other):
        measured = ratio(side, other)
        return measured if side.is_rate == (self.measure == "rate") else 1 / measured

    @property
    def what(self):
        with_clients = f", {self.clients} clients" if self.clients > 1 else ""
        return f"{self.comparison.title}: {self.side.title}{with_clients}"

    def line(self):
        measured = f"{self.measured}" if self.measure == "errors" else f"{self.measured:.2f}"
        least = "" if self.least is None else f"{self.least:.2f}"
        reached = "yes" if self.reached else "**no**"
        return f"| {self.row} | {self.what} | {self.text} | {measured} | {least} | {reached} |"


def ratio(side, other):
    """The median of the ratios within each round."""
    return statistics.median(value / least for value, least in zip(side.values, other.values))


def figures(value):
    """A number as precise as it can mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def read():
    comparisons = {}
    with (RESULTS / "rounds.csv").open() as file:
        for row in csv.DictReader(file):
            if row["comparison"] not in comparisons:
                comparisons[row["comparison"]] = Comparison(row["comparison"])
            comparisons[row["comparison"]].add(row)
    return [comparisons[name] for name in sorted(comparisons)]


def table_of_aims(comparisons):
    aims = [aim for comparison in comparisons for aim in comparison.aims()]
    lines = ["| # | what | aim | measured | the least | reached |", "|---:|---|---|---:|---:|---|"]
    return lines + [aim.line() for aim in sorted(aims, key=lambda aim: (aim.row, aim.comparison.name))]


def section(comparison):
    yield from ["", f"## {comparison.title}", "", comparison.about, "", f"![{comparison.title}]({comparison.name}.svg)"]
    for clients, sides in comparison.by_clients().items():
        errors = any(side.errors for side in sides)
        first = sides[0]
        yield ""
        yield f"| {clients} client{'s' * (clients > 1)} | {first.unit} | lowest – highest | ratio |" + " errors |" * errors
        yield "|---|---:|---:|---:|" + "---:|" * errors
        for side in sides:
            yield (
                f"| {side.title} | {figures(side.median)} | {figures(min(side.values))} – {figures(max(side.values))} |"
                f" {ratio(side, first):.2f} |" + f" {side.errors} |" * errors
            )
    side = next(iter(comparison.sides.values()))
    yield f"\n{len(side.values)} rounds on {side.date}; load average {side.load} before they began."


def machines(comparisons):
    return sorted({side.machine for comparison in comparisons for side in comparison.sides.values()})


def results(comparisons):
    yield "# Results"
    yield ""
    yield f"{' and '.join(machines(comparisons))}, unless a side says another setting."
    yield ""
    yield "Medians of the rounds, with the lowest and the highest. A ratio is the median of the ratios within each round, to"
    yield "the first side unless another is named; a cost is the inverse of a rate. “The least” is the same ratio of a side that"
    yield "does only what PostgreSQL cannot be spared for that: a limit of what can be reached. See [bench/](../README.md)."
    yield ""
    yield from table_of_aims(comparisons)
    for comparison in comparisons:
        yield from section(comparison)


def newest(comparisons):
    date = max(side.date for comparison in comparisons for side in comparison.sides.values())
    yield BEGIN
    yield f"Measured on {' and '.join(machines(comparisons))}; newest {date}. [All results](bench/results/results.md)."
    yield ""
    yield "“The least” is the same ratio of a side that does only what PostgreSQL cannot be spared for that."
    yield ""
    yield from table_of_aims(comparisons)
    for comparison in comparisons[:1]:
        yield ""
        yield f"![{comparison.title}](bench/results/{comparison.name}.svg)"
    yield END


def main():
    comparisons = read()
    (RESULTS / "results.md").write_text("\n".join(results(comparisons)) + "\n")
    for old in RESULTS.glob("*.svg"):
        old.unlink()
    for comparison in comparisons:
        (RESULTS / f"{comparison.name}.svg").write_text(plot.bars(comparison.title, comparison.by_clients(), figures))
    readme = README.read_text()
    before, behind = readme.split(BEGIN)[0], readme.split(END)[1]
    README.write_text(before + "\n".join(newest(comparisons)) + behind)
    print("\n".join(table_of_aims(comparisons)))


main()
