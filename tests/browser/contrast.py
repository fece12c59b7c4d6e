"""How well a text can be read on its ground."""

AA = 4.5
"""What WCAG asks of a text: https://www.w3.org/TR/WCAG22/#contrast-minimum."""


def contrast(one: str, other: str) -> float:
    """Of two colours as a browser computes them, ``rgb(0, 0, 0)``: 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(css: str) -> float:
    # https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    channels = [int(c) / 255 for c in css[css.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
