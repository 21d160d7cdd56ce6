"""Text statistics, number notations and colours."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.bundled.colours import Colour, colours, contrast, from_hsl, to_hsl
from callboard.agents.bundled.number_bases import from_roman, in_base, number_bases, to_roman
from callboard.agents.bundled.text_stats import text_stats


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('How many words does "the quick brown fox" have?', "4 words"),
        ("count the words: to be or not to be", "6 words"),
        ('how many different words are in "no no yes"', "2 different words"),
        ("how many characters has the word 'onomatopoeia'?", "12 characters"),
        ('how many characters in "a b"', "3 characters (2 without spaces)"),
        ("how many letters are in the word banana", "6 letters"),
        ("how many r's are in strawberry", "'r' occurs 3 times"),
        ("how many times does the letter e occur in 'nevertheless'", "4 times"),
        ('how many vowels are in "education"', "5 vowels"),
        ("how many sentences: Hello there. How are you? Fine!", "3 sentences"),
        ('most frequent word in "the cat and the dog"', "'the', 2 times"),
        ("longest word in 'it was extraordinarily nice'", "'extraordinarily'"),
        ('is "never odd or even" the same when read backwards', "is a palindrome"),
        ("Is madam a palindrome", "is a palindrome"),
        ("is 'abc' a palindrome", "is not a palindrome"),
        ("reverse the text 'stressed'", "desserts"),
        ('"don\'t stop" to upper case', "DON'T STOP"),
        ('title case "war and peace" and reverse "abc"', "War And Peace"),
        ("“quoted” in capital letters", "QUOTED"),
        ('reading time of "' + "word " * 476 + '"', "2 min 0 s"),
    ],
)
def test_wordings_of_text_questions(query: str, said: str) -> None:
    assert said in str(text_stats(query))


@pytest.mark.parametrize(
    "query",
    ["how many customers come from France?", "what is the capital of Mongolia", "reverse", ""],
)
def test_without_a_text_nothing_is_counted(query: str) -> None:
    assert text_stats(query) is None


def test_a_megabyte_is_counted() -> None:
    assert text_stats("how many words: " + "word " * 200_000) == "The text has 200000 words."


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(categories=["L", "Nd", "Zs"]), min_size=3).filter(str.strip))
def test_reversing_twice_is_the_same(text: str) -> None:
    once = str(text_stats(f'reverse "{text}"')).removeprefix("Reversed: ")
    assert once == text[::-1]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("write 2024 in roman numerals", "2024 in Roman numerals is MMXXIV."),
        ("what is MCMXCIV", "MCMXCIV in decimal is 1994."),
        ("what's 0xff in decimal", "0xff in decimal is 255."),
        ("how do you write 37 as a binary number", "37 in binary is 100101."),
        ("11111010 binary into decimal", "Binary 11111010 in decimal is 250."),
        ("convert 1010 from binary to hex", "Binary 1010 in hexadecimal is a."),
        ("what's 1010 in decimal from binary", "Binary 1010 in decimal is 10."),
        ("convert hex 1F to binary", "Hexadecimal 1F in binary is 11111."),
        ("12 in base 3", "12 in base 3 is 110."),
        ("decimal 10 to octal", "10 in octal is 12."),
        ("what's the binary for twelve", "12 in binary is 1100."),
        ("write 4000 in roman numerals", "4000 has no Roman numeral: they go from 1 to 3999."),
    ],
)
def test_wordings_of_number_notations(query: str, answer: str) -> None:
    assert number_bases(query) == answer


@pytest.mark.parametrize(
    "query",
    ["which weekday is 4 July 2026?", "convert #ff8800 to rgb", "15% of 240", "IIII in decimal"],
)
def test_what_is_no_notation_gets_no_answer(query: str) -> None:
    assert number_bases(query) is None


@given(st.integers(0, 10**30), st.integers(2, 36))
def test_a_number_in_any_base_reads_back(number: int, base: int) -> None:
    assert int(in_base(number, base), base) == number


def test_all_roman_numerals_read_back_and_are_well_formed() -> None:
    form = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
    for number in range(1, 4000):
        numeral = to_roman(number)
        assert numeral
        assert form.fullmatch(numeral)
        assert from_roman(numeral) == number


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("which rgb values has #ff8800", "#ff8800 is rgb(255, 136, 0)."),
        ("#abc to hsl", "#abc is hsl(210, 25%, 73.3%)."),
        ("rgb(255, 99, 71) in hex", "rgb(255, 99, 71) is #ff6347."),
        ("rgb 12 34 56 to hex", "rgb 12 34 56 is #0c2238."),
        ("Turn hsl(120, 100%, 25%) into hex", "hsl(120, 100%, 25%) is #008000."),
        ("hex code for dark olive green", "darkolivegreen is #556b2f."),
        ("what colour is #ff6347", "#ff6347 is the CSS colour 'tomato'."),
        ("complementary color of #ff8800", "The complementary colour of #ff8800 is #0077ff."),
    ],
)
def test_wordings_of_colour_questions(query: str, answer: str) -> None:
    assert colours(query) == answer


@pytest.mark.parametrize(
    ("query", "ratio"),
    [
        ("contrast ratio of black on white", "21:1"),
        ("contrast between white and #767676", "4.54:1"),
        ("is there enough contrast between #777777 and white", "4.47:1"),
    ],
)
def test_contrast_ratios_are_those_of_wcag(query: str, ratio: str) -> None:
    assert ratio in str(colours(query))


@pytest.mark.parametrize(
    "query",
    ["which colour of paint suits a small bathroom", "what is 0xff in hex", "rgb(300, 0, 0)"],
)
def test_what_is_no_colour_gets_no_answer(query: str) -> None:
    assert colours(query) is None


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_a_colour_through_hsl_stays_within_one_step(red: int, green: int, blue: int) -> None:
    colour = Colour(red=red, green=green, blue=blue, written="", form="rgb")
    back = from_hsl(*to_hsl(colour))
    assert max(abs(a - b) for a, b in zip(back, (red, green, blue), strict=True)) <= 1
    assert 1 <= contrast(colour, Colour(red=0, green=0, blue=0, written="", form="rgb")) <= 21
