"""Safe arithmetic: an expression of numbers, signs and a few calls, worked out in decimals.

simpleeval walks the syntax tree, so nothing but what is named here can run. The context limits
digits and exponents: no input can make it hang.
"""

from __future__ import annotations

import decimal
import math
import re
import statistics
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .wording import NUMBER

MAX_EXPRESSION = 400
MAX_FACTORIAL = 500

_CONTEXT = decimal.Context(
    prec=150,
    Emax=9999,
    Emin=-9999,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)


class TooLarge(ValueError):
    """The result has more digits than are worked out here."""


class NoExpression(ValueError):
    """The text is not an expression of this arithmetic."""


def value(expression: str) -> Decimal:
    """Return the value of e.g. `2*(3+sqrt(16))`, exact to 150 digits.

    Raises:
        NoExpression: it is not arithmetic.
        ZeroDivisionError: it divides by zero.
        TooLarge: the value is too large.
        ValueError: it has no real value, such as the root of a negative number.
    """
    from simpleeval import InvalidExpression, SimpleEval  # type: ignore[import-untyped]

    if len(expression) > MAX_EXPRESSION:
        raise TooLarge
    if not set(re.findall(r"[^\d\W]\w*", expression)) <= set(FUNCTIONS):
        raise NoExpression
    names: dict[str, Decimal] = {}

    def name(match: re.Match[str]) -> str:
        key = f"n{len(names)}"
        names[key] = Decimal(match[0])
        return key

    source = re.sub(rf"(?<![\w.]){NUMBER}(?![\w.])", name, expression.strip())
    if re.search(r"(?<![\w.])[\d.]", source):
        raise NoExpression
    evaluator = SimpleEval(operators=_OPERATORS, functions=FUNCTIONS, names=names)
    with decimal.localcontext(_CONTEXT):
        try:
            result = evaluator.eval(source)
        except (decimal.DivisionByZero, ZeroDivisionError) as error:
            raise ZeroDivisionError from error
        except decimal.Overflow as error:
            raise TooLarge from error
        except (InvalidExpression, SyntaxError, TypeError, AttributeError, RecursionError) as error:
            raise NoExpression from error
        except decimal.InvalidOperation as error:
            if _is_zero_by_zero(error):
                raise ZeroDivisionError from error
            raise ValueError("it has no real value") from error
    if not isinstance(result, Decimal):
        raise NoExpression
    return result


def _is_zero_by_zero(error: decimal.InvalidOperation) -> bool:
    kinds: Any = error.args[0] if error.args else ()
    return decimal.DivisionUndefined in kinds


def _root(number: Decimal, degree: int) -> Decimal:
    """Return the real root, exact where it is rational."""
    if number < 0 and degree % 2 == 0:
        raise decimal.InvalidOperation
    near = abs(number) ** (Decimal(1) / degree)
    exact = near.quantize(Decimal(1).scaleb(-20)) if near < Decimal(10) ** 100 else near
    found = exact if exact**degree == abs(number) else near
    return found.copy_sign(number)


def _factorial(number: Decimal) -> Decimal:
    if number < 0 or number != number.to_integral_value():
        raise decimal.InvalidOperation
    if number > MAX_FACTORIAL:
        raise TooLarge
    return Decimal(math.factorial(int(number)))


def _nth_root(degree: Decimal, number: Decimal) -> Decimal:
    if degree != degree.to_integral_value() or not 1 <= degree <= MAX_FACTORIAL:
        raise decimal.InvalidOperation
    return _root(number, int(degree))


def _total(*numbers: Decimal) -> Decimal:
    return sum(numbers, Decimal(0))


def _minus_percent(percent: Decimal, of: Decimal) -> Decimal:
    return of - of * percent / 100


FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "percent": lambda part, whole: whole * part / 100,
    "ratio": lambda part, whole: part / whole * 100,
    "change": lambda old, new: (new - old) / old * 100,
    "off": _minus_percent,
    "up": lambda percent, of: _minus_percent(-percent, of),
    "sqrt": lambda number: _root(number, 2),
    "cbrt": lambda number: _root(number, 3),
    "root": _nth_root,
    "factorial": _factorial,
    "sum": _total,
    "product": lambda *numbers: Decimal(math.prod(numbers)),
    "mean": lambda *numbers: _total(*numbers) / len(numbers),
    "median": lambda *numbers: statistics.median(numbers),
    "max": max,
    "min": min,
    "difference": lambda one, other: abs(one - other),
    "remainder": lambda number, by: number - by * (number / by).to_integral_value("ROUND_FLOOR"),
    "share": lambda whole, parts: whole / parts,
    "tipped": lambda whole, percent, parts: _minus_percent(-percent, whole) / parts,
    "left": lambda whole, *parts: whole - _total(*parts),
    "each": lambda count, price: count * price,
    "fraction": lambda top, bottom, of: of * top / bottom,
}


def _operators() -> dict[Any, Callable[..., Any]]:
    import ast
    import operator

    return {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: operator.pow,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }


_OPERATORS = _operators()
