from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.bundled.arithmetic import NoExpression, TooLarge, value
from callboard.agents.bundled.calculator import calculator, figure

DEMO = "What is 15% of 240, and which weekday is 90 days after 2026-01-15?"


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (DEMO, "15% of 240 is 36."),
        ("What is 15% of 240", "15% of 240 is 36."),
        ("20 percent off 80", "80 minus 20% is 64."),
        ("square root of 144", "The square root of 144 is 12."),
        ("√144 + 5", "√(144) + 5 is 17."),
        ("cube root of -27", "The cube root of -27 is -3."),
        ("2 to the power of 10", "2^10 is 1024."),
        ("what is 5 to the 3rd power", "5^3 is 125."),
        ("sum of 3, 4 and 5", "The sum of 3, 4 and 5 is 12."),
        ("the sum of 1,2,3 and 10 miles in km", "The sum of 1, 2 and 3 is 6."),
        ("average of 4, 8 and 15", "The average of 4, 8 and 15 is 9."),
        ("median of 9, 1 and 5", "The median of 9, 1 and 5 is 5."),
        ("split 240 among 5 people", "240 split into 5 equal parts is 48 each."),
        ("what's 2 x 19.90?", "2 × 19.90 is 39.80."),
        ("what's 2 x 19,90", "2 × 19.90 is 39.80."),
        ("12 squared", "12^2 is 144."),
        ("12²", "12^2 is 144."),
        ("seven times eight", "7 × 8 is 56."),
        ("one thousand two hundred and thirty four minus 34", "1234 - 34 is 1200."),
        ("twenty-five percent of two hundred", "25% of 200 is 50."),
        ("0.1+0.2", "0.1 + 0.2 is 0.3."),
        ("1,234 + 4,321", "1234 + 4321 is 5555."),
        ("12 × (3 − 1)", "12 × (3 - 1) is 24."),
        ("100 ÷ 8", "100 ÷ 8 is 12.5."),
        ("calculate 3 * -2", "3 × -2 is -6."),
        ("5 plus 3 times 2", "5 + 3 × 2 is 11."),
        ("multiply 3 by 4 by 5", "3 × 4 × 5 is 60."),
        ("subtract 5 from 12", "12 - 5 is 7."),
        ("what percent of 80 is 20", "20 is 25% of 80."),
        ("100 - 20% of 50", "100 - 20% of 50 is 90."),
        ("increase 200 by 15%", "200 plus 15% is 230."),
        ("remainder of 17 divided by 5", "The remainder of 17 divided by 5 is 2."),
        ("three quarters of 100", "3/4 of 100 is 75."),
        ("what is 20!", "20 factorial (20!) is 2432902008176640000."),
        ("10 / 3", "10 ÷ 3 is about 3.333333333."),
        ("0xff + 1", "255 + 1 is 256."),
        ("If dinner costs 86 and we tip 15 percent, how much is it?", "15% of 86 is 12.9."),
        ("a jacket costs 120 and is reduced by 30%, what do I pay?", "120 minus 30% is 84."),
        ("how much do 12 pens at 1.35 cost", "12 at 1.35 each is 16.20 in all."),
        ("how many times does 7 go into 91", "91 ÷ 7 is 13."),
        ("20 less than 55", "55 - 20 is 35."),
        ("50% * 8", "(50 ÷ 100) × 8 is 4."),
        ("what is 2+2? and what is 3*3?", "2 + 2 is 4. 3 × 3 is 9."),
    ],
)
def test_wordings_of_arithmetic(query: str, answer: str) -> None:
    assert calculator(query) == answer


@pytest.mark.parametrize(
    "query",
    [
        "which weekday is 90 days after 2026-01-15?",
        "convert 5 pounds to kg",
        "call me at 555-1234",
        "reverse the text '2+2'",
        "contrast of #777777 and rgb(1, 2, 3)",
        "__import__('os').system('ls')",
        "().__class__.__bases__[0]",
        "SELECT 2*3 FROM orders",
        "what time is it in Tokyo",
        "a discount of 30%",
        "",
        "+-*/",
    ],
)
def test_what_is_no_arithmetic_gets_no_answer(query: str) -> None:
    assert calculator(query) is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("9**9**9", "too large"),
        ("9^999999999", "too large"),
        ("501!", None),
        ("factorial of 501", "too large"),
        ("12 / 0", "divided by zero"),
        ("0/0", "divided by zero"),
        ("square root of -4", "no real value"),
    ],
)
def test_what_has_no_value_is_said_so(query: str, words: str | None) -> None:
    answer = calculator(query)
    assert answer
    assert (words or "too large") in answer


@pytest.mark.parametrize("code", ["__import__('os')", "n0", "[1]*9", "'a'*9", "1 if 1 else 2", "x"])
def test_the_evaluator_runs_nothing_but_arithmetic(code: str) -> None:
    with pytest.raises(NoExpression):
        value(code)


def test_a_long_expression_is_refused() -> None:
    with pytest.raises(TooLarge):
        value("1+" * 500 + "1")


_NUMBERS = st.decimals("-9999", "9999", places=2).map(lambda number: f"({number})")
_EXPRESSIONS = st.recursive(
    _NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda parts: f"({''.join(parts)})"
    ),
    max_leaves=6,
)


def _exact(expression: str) -> Fraction:
    """Work the same expression out with fractions, by its own small descent."""
    expression = expression.removeprefix("(").removesuffix(")")
    depth = 0
    for place, sign in enumerate(expression):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and place and sign in "+-*/":
            one, other = _exact(expression[:place]), _exact(expression[place + 1 :])
            if sign == "/":
                return one / other
            return one * other if sign == "*" else one + other if sign == "+" else one - other
    return Fraction(expression)


@settings(max_examples=150, deadline=None)
@given(_EXPRESSIONS)
def test_values_are_those_of_fractions(expression: str) -> None:
    try:
        exact = _exact(expression)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            value(expression)
        return
    got = Fraction(value(expression))
    assert abs(got - exact) <= abs(exact) * Fraction(1, 10**100) + Fraction(1, 10**100)


@settings(max_examples=80, deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_sums_and_products_are_exact_in_words(one: int, other: int) -> None:
    assert calculator(f"what is {one} plus {other}?") == f"{one} + {other} is {one + other}."
    assert calculator(f"multiply {one} by {other}") == f"{one} × {other} is {one * other}."


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 100), st.integers(1, 10**6))
def test_percentages_are_exact(percent: int, whole: int) -> None:
    exact = figure(Decimal(percent) * whole / 100, cents=False)
    assert (
        calculator(f"how much is {percent} percent of {whole}")
        == f"{percent}% of {whole} is {exact}."
    )
