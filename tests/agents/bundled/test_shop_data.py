import re
import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from callboard.agents.bundled.shop_data import shop_data
from callboard.agents.bundled.shop_database import MAX_ROWS, RefusedSql, read

QUESTIONS = yaml.safe_load(
    (Path(__file__).parent / "shop_questions.yaml").read_text(encoding="utf-8")
)
SOLD = """
CREATE VIEW sold AS
SELECT o.id, o.ordered_on, c.name AS customer, c.country, p.name AS product, p.category,
       l.quantity, l.quantity * l.unit_price AS worth
FROM orders o, customers c, products p, order_lines l
WHERE c.id = o.customer_id AND l.order_id = o.id AND p.id = l.product_id
  AND o.status IN ('delivered', 'shipped', 'processing')
"""


@pytest.fixture(scope="module")
def shop():
    """The sample data in a database of the test's own, with what counts as sold."""
    connection = sqlite3.connect(":memory:")
    script = files("callboard.agents.bundled").joinpath("data", "shop.sql")
    connection.executescript(script.read_text(encoding="utf-8"))
    connection.execute(SOLD)
    yield connection
    connection.close()


def _said(query: str) -> str:
    result = shop_data(query)
    assert result is not None
    assert result.answered, result.text
    return result.text.split("\nSQL:")[0]


@pytest.mark.parametrize(("query", "sql"), QUESTIONS["amounts"])
def test_amounts_are_those_of_the_tables(shop, query: str, sql: str) -> None:
    (amount,) = shop.execute(sql).fetchone()
    assert f"€{amount:,.2f}" in _said(query)


@pytest.mark.parametrize(("query", "sql"), QUESTIONS["counts"])
def test_counts_are_those_of_the_tables(shop, query: str, sql: str) -> None:
    (count,) = shop.execute(sql).fetchone()
    numbers = re.findall(r"(?<![\d-])\d+(?:\.\d+)?(?![\d-])", _said(query))
    assert str(count) in numbers


@pytest.mark.parametrize(("query", "sql"), QUESTIONS["lists"])
def test_rankings_and_lists_are_those_of_the_tables(shop, query: str, sql: str) -> None:
    wanted = [str(row[0]) for row in shop.execute(sql)]
    text = _said(query)
    places = [text.find(name) for name in wanted]
    assert min(places) >= 0
    assert places == sorted(places)
    if text.count("\n"):
        assert len(text.splitlines()) == len(wanted) + 1, "a line for each, and no other"


def test_the_sql_that_ran_is_shown_and_runs_again(shop) -> None:
    result = shop_data("revenue by country in 2025")
    assert result is not None
    sql = result.data[0]["sql"]
    assert f"SQL: {sql}" in result.text
    assert [list(row) for row in shop.execute(sql)] == result.data[0]["rows"]


def test_a_select_of_the_user_is_run() -> None:
    result = shop_data("SELECT name, price FROM products WHERE price > 300")
    assert result is not None
    assert result.text.startswith("name, price (1 row):\nOak Desk, 349")


def test_rows_are_cut_and_it_is_said() -> None:
    result = shop_data("SELECT * FROM order_lines")
    assert result is not None
    assert f"the first {MAX_ROWS} rows" in result.text


@pytest.mark.parametrize(
    "attack",
    [
        "DROP TABLE customers",
        "'; DROP TABLE orders; --",
        "select count(*) from orders; drop table orders",
        "DELETE FROM orders",
        "UPDATE products SET price = 0",
        "INSERT INTO orders VALUES (1)",
        "PRAGMA table_info(orders)",
        "ATTACH DATABASE 'x.db' AS x",
        "select load_extension('x')",
        "SELECT randomblob(100000000)",
        "SELECT writefile('x', 'y')",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
        "select nothing from nowhere",
    ],
)
def test_an_attack_is_declined_and_changes_nothing(shop, attack: str) -> None:
    result = shop_data(attack)
    assert result is not None
    assert not result.answered
    for table in ("customers", "products", "orders", "order_lines"):
        (count,) = shop.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        assert read(f"SELECT COUNT(*) FROM {table}").rows == ((count,),)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (y)",
        "DROP VIEW sales",
        "PRAGMA writable_schema = 1",
        "ATTACH ':memory:' AS x",
        "VACUUM INTO 'x.db'",
        "BEGIN",
        "",
    ],
)
def test_the_database_itself_only_reads(statement: str) -> None:
    with pytest.raises(RefusedSql):
        read(statement)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("revenue in portugal", "'portugal'"),
        ("revenue last month", "'last month'"),
        ("orders of Peter Pan", "'peter'"),
    ],
)
def test_what_cannot_be_translated_is_said(query: str, reason: str) -> None:
    result = shop_data(query)
    assert result is not None
    assert not result.answered
    assert reason in result.text


@pytest.mark.parametrize(
    "query",
    [
        "which weekday is 90 days after 2026-01-15",
        "what does express delivery cost in germany",
        "how do I return an item",
        "where can I download the bill for my last order",
        "create an invoice",
        "",
    ],
)
def test_what_is_no_question_about_figures_gets_no_answer(query: str) -> None:
    assert shop_data(query) is None
