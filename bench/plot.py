"""Bars with the spread of their rounds, as SVG that is readable on light and dark pages."""

from html import escape

WIDTH, LABELS, VALUES, LINE = 760, 330, 90, 26

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 } .small { font-size: 12px; fill: #57606a }
.bar { fill: #54aeff } .spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .bar { fill: #1f6feb } .spread { stroke: #e6edf3 } }
"""


def bars(title, groups, figures):
    """A bar for each side, in a group for each number of clients, all to one scale."""
    most = max(max(side.values) for sides in groups.values() for side in sides) or 1
    scale = (WIDTH - LABELS - VALUES) / most
    unit = next(iter(groups.values()))[0].unit
    parts = [text(8, 20, f"{title}: {unit}", "title")]
    y = 34
    for clients, sides in groups.items():
        if len(groups) > 1:
            parts.append(text(8, y + 14, f"{clients} client{'s' * (clients > 1)}", "small"))
            y += LINE - 4
        for side in sides:
            parts += bar(side, y, scale, figures)
            y += LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" width="{WIDTH}" height="{y + 8}">'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def bar(side, y, scale, figures):
    label = side.title if len(side.title) <= 50 else side.title[:49] + "…"
    middle = y + 9
    low, high = (LABELS + scale * value for value in (min(side.values), max(side.values)))
    yield text(LABELS - 8, y + 13, label, "small", "end")
    yield f'<rect class="bar" x="{LABELS}" y="{y}" width="{max(scale * side.median, 1):.1f}" height="18"/>'
    yield f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"/>'
    yield text(max(high, LABELS) + 6, y + 13, figures(side.median), "small")


def text(x, y, content, kind, anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(content)}</text>'
