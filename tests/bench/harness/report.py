"""The rows of a run: collected, printed as a table, written as JSON."""

import json

from .measure import median


class Report:
    def __init__(self):
        self.rows = []

    def add(self, row, unit, better, values, baseline_values=(), **more):
        """One row: medians of `values` and `baseline_values` and their ratio. `better` is "higher" or "lower": where the
        ratio should be."""
        value, baseline = median(list(values)), median(list(baseline_values))
        ratio = value / baseline if value is not None and baseline else None
        self.rows.append({"row": row, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio,
                          "better": better, "runs": list(values), "baseline_runs": list(baseline_values),
                          **{name: text for name, text in more.items() if text}})

    def failed(self):
        return [row["row"] for row in self.rows if row["value"] is None]

    def write(self, path):
        path.write_text(json.dumps(self.rows, indent=1) + "\n")

    def table(self):
        """The rows as text; what went wrong stands once, below, however many rows it cost."""
        errors = list(dict.fromkeys(row["error"] for row in self.rows if "error" in row))
        lines = [("", "Tradewind", "baseline", "unit", "ratio", "better", "spread", "compared with")]
        for row in self.rows:
            note = f"[{errors.index(row['error']) + 1}] " if "error" in row else ""
            lines.append((row["row"], _number(row["value"]), _number(row["baseline"]), row["unit"], _ratio(row["ratio"]),
                          row["better"], f"{_spread(row['runs'])} / {_spread(row['baseline_runs'])}",
                          note + row.get("baseline_setting", "")))
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = ["  ".join(cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
                          for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines]
        return "\n".join(text + [f"[{number}] {error}" for number, error in enumerate(errors, 1)])


# Columns set to the right.
_NUMBERS = (1, 2, 4)


def _ratio(value):
    return "-" if value is None else f"{value:.2f}"


def _number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _spread(runs):
    """Half the distance between the best and the worst run, as a share of the median."""
    middle = median(runs)
    return f"±{(max(runs) - min(runs)) / 2 / middle:.0%}" if len(runs) > 1 and middle else "-"
