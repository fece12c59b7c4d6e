"""Reports: the papers' tables and drawings from finished runs, as one HTML page and as Markdown."""

from mtss_zoo.report.write import report as report
