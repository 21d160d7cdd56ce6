"""The colour agent: hex, RGB, HSL and CSS names into each other, contrast, complements."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .wording import NUMBER, alternatives, clauses, clean, spelled, table

Form = Literal["hex", "rgb", "hsl", "name"]

_CUE = re.compile(
    r"\b(?:colou?rs?|colro|rgb\w*|hsl|hex\w*|contrast|complement\w*|opposite|css|readable|legible|wcag)\b|#"
    r"|\bread\b.*\bon\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"\b(?:contrast\w*|readab\w+|legib\w+|wcag)\b|\bpass(?:es)? AAA?\b|\bread\b.*\bon\b",
    re.IGNORECASE,
)
_PARTED = re.compile(
    r"\br(?:ed)? ?[=:]? ?(\d+)[ ,/]*(?:and )?g(?:reen)? ?[=:]? ?(\d+)"
    r"[ ,/]*(?:and )?b(?:lue)? ?[=:]? ?(\d+)\b",
    re.IGNORECASE,
)
_BARE_HEX = re.compile(
    r"(?<![\w#.,])(?!0[xbo])(?=[a-f]*\d)(?P<hex>[0-9a-f]{6})(?![\w.,]\w|\w)", re.IGNORECASE
)
_NAMED_HEX = re.compile(r"(?<=\bhex )(?P<hex>[0-9a-f]{6}|[0-9a-f]{3})\b", re.IGNORECASE)
_FORMS: dict[Form, str] = {
    "hex": r"\bhex\w*(?: code| value)?\b|\bhtml code\b",
    "rgb": r"\brgb\b(?! ?\()|\br ?g ?b\b(?! ?\()|\bred,? green,?(?: and)? blue\b",
    "hsl": r"\bhsl\b(?! ?\()|\bhue\b",
    "name": r"\b(?:what|which) colou?r(?: name)? (?:is|has|belongs)\b|\bname\b"
    r"|\bcall(?:ed)?\b",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """A colour of sRGB, its parts from 0 to 255, and how it was written."""

    red: int
    green: int
    blue: int
    written: str
    form: Form

    @property
    def hex(self) -> str:
        """'#ff8800'."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def colours(query: str) -> str | None:
    """Return the conversions and contrasts of colours asked for, or None if there are none."""
    text = _PARTED.sub(r"rgb(\1, \2, \3)", spelled(clean(query), "colours"))
    if re.search(r"\b(?:rgb|hsl|colou?r)\b", text, re.IGNORECASE):
        text = _BARE_HEX.sub(r"#\g<hex>", _NAMED_HEX.sub(r"#\g<hex>", text))
    parts = [answer for clause in clauses(text) if (answer := _answer(clause))]
    if not parts and (whole := _answer(text)):
        parts = [whole]
    return " ".join(dict.fromkeys(parts)) or None


def _answer(text: str) -> str | None:
    if not _CUE.search(text):
        return None
    found = find_colours(text)
    if not found:
        return None
    if _CONTRAST.search(text):
        return _contrast(found[0], found[1]) if len(found) > 1 else None
    if re.search(r"\bcomplement|\bopposite", text, re.IGNORECASE):
        return " ".join(_complement(colour) for colour in found)
    forms: list[Form] = [
        form for form, pattern in _FORMS.items() if re.search(pattern, text, re.IGNORECASE)
    ]
    if not forms and not re.search(r"\b(?:codes?|values?|convert|numbers?)\b", text, re.IGNORECASE):
        # "A poem about the colour grey" names a colour and asks for no notation of it.
        found = [colour for colour in found if colour.form != "name"]
    return " ".join(_told(colour, forms) for colour in found)


# Reading ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    number = rf"({NUMBER})"
    part = r"[ ,/]+"
    return re.compile(
        r"#(?P<hex>[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3})\b"
        rf"|\brgba?\s*\(?\s*{number}{part}{number}{part}{number}(?:{part}[\d.]+)?\s*\)?"
        rf"|\bhsla?\s*\(?\s*{number}(?:deg|°)?{part}{number}\s*%?{part}{number}\s*%?\s*\)?"
        rf"|\b(?P<name>{alternatives(table('colours')['names'])})\b",
        re.IGNORECASE,
    )


def find_colours(text: str) -> list[Colour]:
    """Return the colours in `text` in order; `rgb(300, 0, 0)` is none."""
    names = table("colours")["names"]
    for several in (r"\b[a-z]+ [a-z]+ [a-z]+\b", r"\b[a-z]+ [a-z]+\b"):
        for words in re.findall(rf"(?=({several}))", text, re.IGNORECASE):
            if words.replace(" ", "").lower() in names:
                text = text.replace(words, words.replace(" ", ""))
    text = re.sub(r"\bnavy blue\b", "navy", text, flags=re.IGNORECASE)
    found = []
    for match in _pattern().finditer(text):
        parts = _read(match)
        if parts is not None:
            (red, green, blue), form = parts
            found.append(
                Colour(red=red, green=green, blue=blue, written=match[0].strip(), form=form)
            )
    return found


def _read(match: re.Match[str]) -> tuple[tuple[int, int, int], Form] | None:
    if match["hex"]:
        return _from_hex(match["hex"]), "hex"
    if match["name"]:
        return _from_hex(table("colours")["names"][match["name"].lower()][1:]), "name"
    numbers = [float(part) for part in match.groups() if part is not None]
    if match[0].lower().startswith("rgb"):
        if any(number > 255 for number in numbers):
            return None
        return (round(numbers[0]), round(numbers[1]), round(numbers[2])), "rgb"
    if numbers[1] > 100 or numbers[2] > 100:
        return None
    return from_hsl(*numbers), "hsl"


def _from_hex(digits: str) -> tuple[int, int, int]:
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def from_hsl(hue: float, saturation: float, lightness: float) -> tuple[int, int, int]:
    """Return the RGB parts for a hue in degrees, and saturation and lightness in per cent."""
    parts = colorsys.hls_to_rgb(hue % 360 / 360, lightness / 100, saturation / 100)
    red, green, blue = (int(part * 255 + 0.5) for part in parts)
    return red, green, blue


def to_hsl(colour: Colour) -> tuple[float, float, float]:
    """Return hue in degrees, saturation and lightness in per cent, with one decimal at most."""
    hue, lightness, saturation = colorsys.rgb_to_hls(
        colour.red / 255, colour.green / 255, colour.blue / 255
    )
    return round(hue * 360, 1), round(saturation * 100, 1), round(lightness * 100, 1)


# What is told ----------------------------------------------------------------------------------


def _told(colour: Colour, forms: list[Form]) -> str:
    wanted = [form for form in forms if form != colour.form] or [
        form for form in _FORMS if form not in (colour.form, "name")
    ]
    said = [said for form in wanted if (said := _in(colour, form))]
    return f"{colour.written} is {' or '.join(said) or colour.hex}."


def _in(colour: Colour, form: Form) -> str:
    if form == "hex":
        return colour.hex
    if form == "rgb":
        return f"rgb({colour.red}, {colour.green}, {colour.blue})"
    if form == "hsl":
        hue, saturation, lightness = to_hsl(colour)
        return f"hsl({hue:g}, {saturation:g}%, {lightness:g}%)"
    names = [name for name, code in table("colours")["names"].items() if code == colour.hex]
    return f"the CSS colour {names[0]!r}" if names else ""


def luminance(colour: Colour) -> float:
    """Return the relative luminance, 0 to 1. Source: WCAG 2.1, 'relative luminance'."""
    parts = (colour.red / 255, colour.green / 255, colour.blue / 255)
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio, 1 to 21. Source: WCAG 2.1, 'contrast ratio'."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _contrast(one: Colour, other: Colour) -> str:
    ratio = contrast(one, other)
    # Cut, not rounded: 4.499 must not look like a pass at 4.5.
    shown = f"{int(ratio * 100 + 1e-6) / 100:g}"
    if ratio >= 7:
        verdict = "enough for all text (WCAG AAA)"
    elif ratio >= 4.5:
        verdict = "enough for normal text (WCAG AA)"
    else:
        verdict = "enough for large text only" if ratio >= 3 else "too little for text"
    return f"The contrast ratio of {one.written} and {other.written} is {shown}:1, {verdict}."


def _complement(colour: Colour) -> str:
    hue, saturation, lightness = to_hsl(colour)
    red, green, blue = from_hsl(hue + 180, saturation, lightness)
    other = Colour(red=red, green=green, blue=blue, written="", form="hex")
    return f"The complementary colour of {colour.written} is {other.hex}."
