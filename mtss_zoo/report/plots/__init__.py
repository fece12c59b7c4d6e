"""Drawings of a report, as SVG whose text can be selected and whose colours follow the page's."""
