"""The agent of the sample shop's figures: a question or a SELECT in, rows and the SQL out.

Questions are read into filters, a grouping and a ranking (`shop_question.py`), matched with the
table `data/shop_questions.yaml`, and answered by the read-only database. What can't be translated
is said so: a name that the shop doesn't know is never dropped in silence.
"""

from __future__ import annotations

import re
from typing import Any

from ...values import AgentResult
from .shop_database import RefusedSql, Table, read
from .shop_periods import YEAR, Period
from .shop_question import Question, read_question
from .wording import clauses, clean, declined, digits, spelled, table

NAME = "shop_data"
MAX_WISHES = 3
_SELECT = re.compile(
    r"\bwith\s+(?:recursive\s+)?\w+\s*(?:\([\w\s,]*\)\s*)?as\s*\(.+|\bselect\b.+", re.IGNORECASE
)
_CHANGES = re.compile(
    r"^\W*(?:sql:?\s*)?(?:drop|delete|insert|update|alter|create|replace|truncate|attach|detach"
    r"|pragma|vacuum)\s+(?:table|from|into|database|index|view|trigger|or|\w+\s+set"
    r"|\w+\s*[=(;']|'|\w+$|$)",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(?:from|in|of|for|by|with|to)\s+(?:(?:the|our|all)\s+)?"
    r"(?:(?:customer|product|category|country)\s+)?([a-z][\w'-]*)",
    re.IGNORECASE,
)
_RANKS = {
    "price_rank": ("cheapest", "most expensive"),
    "order_extreme": ("smallest", "largest"),
    "customers_new": ("oldest", "newest"),
}
_BEFORE = {
    "product": "of the",
    "category": "in the category",
    "customer": "of",
    "country": "from",
    "city": "from",
    "status": "with the status",
}


def shop_data(query: str) -> AgentResult | None:
    """Return what the sample shop's data say to `query`, with the SQL, or None if nothing is asked.

    A query may hold a plain SELECT instead.
    """
    text = clean(query)
    if sql := _SELECT.search(text):
        return _selected(sql[0])
    if _CHANGES.search(text):
        return declined(NAME, "I only read the sample shop's data; I change nothing in it.")
    results: list[AgentResult] = []
    for clause in _clauses(spelled(digits(text), NAME)):
        result = _answer(read_question(clause))
        if result:
            results.append(result)
    done = [result for result in results if result.answered][:MAX_WISHES]
    if not done:
        return results[0] if results else None
    return AgentResult(
        agent=NAME,
        text="\n".join(result.text for result in done),
        data=[result.data for result in done],
    )


def _clauses(text: str) -> list[str]:
    """Return the clauses; a bare "How many?" goes on with the one before it."""
    parts: list[str] = []
    text = re.sub(r"\btop[ -]seller(s?)\b", r"best selling product\1", text, flags=re.IGNORECASE)
    for each in clauses(text):
        if parts and re.fullmatch(r"(?:and )?how (?:many|much)(?: (?:was|were) it)?", each, re.I):
            parts[-1] += f" {each}"
        else:
            # What follows "and" with a number is somebody else's wish: no shop question begins so.
            parts += re.split(r"\s+and\s+(?=\d)", each)
    return parts


def _selected(sql: str) -> AgentResult:
    statement = sql.split(";")[0] if sql.rstrip().endswith(";") else sql
    try:
        found = read(statement.rstrip(" ?."))
    except RefusedSql as error:
        return declined(NAME, f"I can't run that on the sample shop: {error}.")
    lines = [", ".join(_plain(value) for value in row) for row in found.rows]
    count = f"{len(found.rows)} {'row' if len(found.rows) == 1 else 'rows'}"
    head = f"{', '.join(found.columns)} ({'the first ' if found.more else ''}{count}):"
    return _result(found, "\n".join([head, *lines]))


def _result(found: Table, text: str) -> AgentResult:
    data = {"sql": found.sql, "columns": list(found.columns), "rows": [list(r) for r in found.rows]}
    return AgentResult(agent=NAME, text=f"{text}\nSQL: {found.sql}", data=data)


# Questions -------------------------------------------------------------------------------------


def _answer(question: Question) -> AgentResult | None:
    intents = table("shop_questions")["questions"]
    intent = next((each for each in intents if _fits(each, question)), None)
    if intent is None and _PERSON.search(question.told) and (name := _unknown(question)):
        return declined(NAME, f"The sample shop knows no customer {name!r}.")
    # "Where is my order?" is a customer's wish, and nothing that these figures could tell.
    if intent is None or re.search(r"\b(?:my|mine|i)\b", question.rest):
        return None
    if _FOREIGN.search(question.text):
        return None
    if relative := re.search(table("shop_questions")["relative"], question.rest):
        return declined(
            NAME,
            f"The sample orders are those of 2025, so {relative[0]!r} can't be told. "
            "Name a month, a quarter or the year 2025.",
        )
    outside = question.period and not _touches_sales(question.period)
    if outside and intent["source"] in ("sales", "orders"):
        return declined(NAME, f"The sample orders are those of {YEAR} only.")
    if unknown := _unknown(question):
        return declined(
            NAME, f"I can't translate that into SQL: the sample shop knows no {unknown!r}."
        )
    try:
        return _told(intent, question)
    except RefusedSql as error:
        return declined(NAME, f"I can't answer that from the sample shop: {error}.")


_PROPER = re.compile(r"(?<=[\w,:] )(?:[A-Z][a-z]{2,}|[A-Z]{4,})\b|^[A-Z]\w+(?='s\b)|^[A-Z]{4,}\b")
"""Capitalised words within a sentence: names, of which the shop may know nothing."""
_PERSON = re.compile(r"\bdid (?:[A-Z][\w'-]+ ){1,3}(?:buy|order|purchase|spend)\b")
_FOREIGN = re.compile(
    r"\b(?:delivery|postage|difference between|explain|e-?mails? to|population|set the"
    r"|employees?|footballers?|banks?|words?|letters|characters)\b",
    re.IGNORECASE,
)
"""Words of wishes that sound like questions about figures and are none."""


def _touches_sales(period: Period) -> bool:
    return period.start.year <= YEAR <= period.end.year


def _fits(intent: dict[str, Any], question: Question) -> bool:
    """Whether the wording, the names and the grouping of the question are those of the intent."""
    words, rest = table("shop_questions"), question.rest
    named = set(question.filters) | ({"day"} if question.period else set())
    named |= {"order"} if question.order else set()
    columns = words["groups"].get(question.group, {})
    if intent.get("group") and intent["source"] not in columns:
        return False
    listed = named or _unknown(question) or rest.strip().startswith(("list", "show", "all"))
    if intent.get("filtered") and not listed:
        return False
    return (
        all(re.search(intent.get(key, ""), rest) for key in ("asks", "also"))
        and not ("bars" in intent and re.search(intent["bars"], rest))
        and set(intent.get("needs", ())) <= named
        and not set(intent.get("unless", ())) & named
        and named - set(intent.get("ignores", ())) <= set(words["sources"][intent["source"]])
    )


def _unknown(question: Question) -> str | None:
    """Return a name after 'from', 'of' and so on that is nothing in the shop."""
    ordinary = set(table("shop_questions")["ordinary"].split())
    for match in _UNKNOWN.finditer(question.rest):
        word = match[1].lower()
        if word not in ordinary and word.removesuffix("'s") not in ordinary:
            return match[1]
    for name in re.findall(
        r"(?<=[\w,:] )(?:[A-Z][a-z]{2,}|[A-Z]{4,})\b|^[A-Z]\w+(?='s\b)|^[A-Z]{4,}\b", question.told
    ):
        known = name.lower() in ordinary or read_question(name).filters
        if not known and not question.told.isupper():
            return str(name).lower()
    return None


def _told(intent: dict[str, Any], question: Question) -> AgentResult:
    sql, parameters = _sql(intent, question)
    found = read(sql, parameters)
    kind = intent.get("kind", "number")
    slots = _slots(intent, question)
    rows = [[*(_plain(value) for value in row[:-1]), _shown(row[-1], kind)] for row in found.rows]
    empty = not rows or (len(found.columns) == 1 and found.rows[0][0] is None)
    if empty:
        nothing = intent.get("empty", "The sample shop has nothing like that{filters}.")
        return _result(found, nothing.format(**slots))
    if "tells" in intent and (len(rows) == 1 or "lists" not in intent):
        return _result(found, " ".join(intent["tells"].format(*row, **slots) for row in rows))
    ranked = "LIMIT" in sql and question.count is not None
    glue = ", " if isinstance(found.rows[0][-1], str) else ": "
    lines = [intent["lists"].format(**slots) + ":"]
    for number, row in enumerate(rows, 1):
        names = ", ".join(row[:-1])
        bullet = f"{number}." if ranked else "-"
        lines.append(f"{bullet} {names}{glue if names else ''}{row[-1]}")
    return _result(found, "\n".join(lines))


def _sql(intent: dict[str, Any], question: Question) -> tuple[str, dict[str, str | int | float]]:
    """Return the intent's SQL for this question; every value travels as a parameter."""
    source = table("shop_questions")["sources"][intent["source"]]
    conditions, parameters = [], dict[str, str | int | float]()
    for name, value in question.filters.items():
        if name not in intent.get("ignores", ()):
            conditions.append(f"{source[name]} = :{name}")
            parameters[name] = value
    if question.period:
        conditions.append(f"{source['day']} BETWEEN :start AND :end")
        parameters |= {"start": str(question.period.start), "end": str(question.period.end)}
    if question.order:
        conditions.append(f"{source['order']} = :order")
        parameters["order"] = question.order
    column = table("shop_questions")["groups"].get(question.group, {}).get(intent["source"], "")
    in_time = question.group in ("month", "quarter", "year") and question.direction is None
    sql = intent["sql"].format(
        where=f"WHERE {' AND '.join(conditions)}" if conditions else "",
        group=f"{column} AS {question.group}",
        order="1" if in_time else f"value {question.direction or 'DESC'}, 1",
        direction=question.direction or ("ASC" if "stock" in intent["name"] else "DESC"),
        status=question.filters.get("status", ""),
        **{"and": "".join(f" AND {each}" for each in conditions)},
    )
    if ":count" in sql:
        grouped = 50 if intent.get("group") else _plural_count(question)
        parameters["count"] = question.count or grouped
    if ":limit" in sql:
        parameters["limit"] = question.number or intent["limit"]
    return sql, parameters


def _plural_count(question: Question) -> int:
    """Return how many rows a ranking without grouping means: 'the cheapest product' is one."""
    many = r"\b(?:products|items|orders|customers|articles|clients)\b"
    number = re.search(rf"\b(\d{{1,2}}) (?:\w+ ){{0,2}}?{many}", question.rest)
    number = number or re.search(r"\b(?:top|latest|last|first|newest) (\d{1,2})\b", question.rest)
    if number:
        return int(number[1])
    return 5 if re.search(many, question.rest) else 1


def _slots(intent: dict[str, Any], question: Question) -> dict[str, object]:
    low, high = _RANKS.get(
        intent["name"], ("lowest", "highest") if "kind" in intent else ("fewest", "most")
    )
    return {
        "filters": _filters(question, intent.get("ignores", ())),
        "dimension": question.group or "",
        "rank": low if question.direction == "ASC" else high,
        "status": question.filters.get("status", ""),
        "order_id": question.order,
        "limit": question.number or intent.get("limit"),
    }


def _filters(question: Question, ignored: tuple[str, ...]) -> str:
    """Return the filters in words: ' of Anna Berger in March 2025'."""
    words = [
        f" {_BEFORE[name]} {value}"
        for name, value in question.filters.items()
        if name not in ignored
    ]
    return "".join([*words, f" {question.period.words}" if question.period else ""])


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return "-" if value is None else " ".join(str(value).split())


def _shown(value: object, kind: str) -> str:
    if kind == "money" and isinstance(value, int | float):
        return f"€{value:,.2f}"
    return f"{value}%" if kind == "percent" else _plain(value)
