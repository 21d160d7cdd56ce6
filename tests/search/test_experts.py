"""Linear experts: what they learn, when they do not, whom a query goes to, and their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from callboard import ConfigurationError, InvalidInput
from callboard.search.encoder import Vectors
from callboard.search.experts.expert import Card, LinearExpert, Pilots, Score, adapted
from callboard.search.experts.files import dump_expert, parse_expert, save_expert
from callboard.search.experts.lineup import Lineup, Serving, read_query
from callboard.search.experts.pilots import Gate, pilots
from callboard.search.experts.roster import BASE, Roster
from callboard.search.experts.training import FEWEST, Lesson, TrainingSettings, train
from callboard.search.experts.training_set import Document, TrainingSet, cropped
from callboard.search.relevance import ndcg_of, paired_interval

DIM = 16


def unit(rows: Vectors) -> Vectors:
    found: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def dialect(n: int, *, seed: int = 0, m: int = 200) -> Lesson:
    """Return queries that speak another language than documents: turned by one rotation."""
    draw = np.random.default_rng(seed)
    documents = unit(draw.normal(size=(m, DIM)))
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))
    targets = draw.integers(0, m, n)
    noise = 0.05 * draw.normal(size=(n, DIM))
    queries = unit(documents[targets] @ turn + noise)
    return Lesson(queries=queries, documents=documents, gains=[{int(one): 1.0} for one in targets])


def expert(name: str, vectors: Vectors, change: Vectors | None = None) -> LinearExpert:
    dim = vectors.shape[1]
    return LinearExpert(
        card=Card(
            name=name,
            kind="linear",
            encoder="e",
            dim=dim,
            data="d",
            made_at=datetime(2026, 11, 29, tzinfo=UTC),
            pairs=1,
            synthetic=False,
            score=Score(queries=30, base=0.4, expert=0.5, low=0.05, high=0.15),
            settings={"penalty": 0.1},
        ),
        pilots=Pilots(
            won=vectors.mean(axis=0, keepdims=True),
            lost=np.empty((0, dim), np.float32),
            gate=Gate.of(vectors),
        ),
        change=np.zeros((dim, dim), np.float32) if change is None else change,
    )


def field(centre: int, n: int = 40, *, seed: int = 0) -> Vectors:
    """Return queries of one field, around an axis."""
    rows = 0.15 * np.random.default_rng(seed + centre).normal(size=(n, DIM))
    rows[:, centre] += 1
    return unit(rows)


def test_an_expert_learns_the_language_of_a_field_and_says_how_well_from_what_it_held_out() -> None:
    trained = train(dialect(120))
    fresh = dialect(60, seed=7)
    base = ndcg_of(fresh.queries, fresh.documents, fresh.gains)
    read = ndcg_of(adapted(fresh.queries, trained.change), fresh.documents, fresh.gains)
    assert base.mean() < 0.3
    assert read.mean() > 0.7
    assert trained.held_out.mean() == pytest.approx(read.mean(), abs=0.15)
    low, _ = paired_interval(trained.held_out - trained.base)
    assert low > 0


def test_the_same_seed_gives_the_same_expert() -> None:
    first, again = train(dialect(40)), train(dialect(40))
    assert np.array_equal(first.change, again.change)
    assert first.penalty == again.penalty


def test_where_there_is_nothing_to_learn_what_was_held_out_says_so() -> None:
    lesson = dialect(60)
    draw = np.random.default_rng(3)
    gains = [{int(draw.integers(200)): 1.0} for _ in lesson.gains]
    trained = train(Lesson(queries=lesson.queries, documents=lesson.documents, gains=gains))
    assert trained.held_out.mean() - trained.base.mean() < 0.05


def test_the_path_of_penalties_ends_when_held_out_queries_gain_no_more() -> None:
    told: list[str] = []
    draw = np.random.default_rng(3)
    lesson = dialect(40)
    gains = [{int(draw.integers(200)): 1.0} for _ in lesson.gains]
    settings = TrainingSettings(penalties=tuple(1 / 2**n for n in range(12)), folds=2, steps=5)
    train(
        Lesson(queries=lesson.queries, documents=lesson.documents, gains=gains),
        settings,
        told.append,
    )
    assert 3 <= len(told) < 12


def test_in_a_large_collection_queries_are_compared_with_the_nearest_and_with_some_at_random() -> (
    None
):
    lesson = dialect(60, m=2000)
    trained = train(lesson, TrainingSettings(most=400, folds=2))
    assert trained.held_out.mean() > trained.base.mean() + 0.2


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(InvalidInput, match=f"at least {FEWEST}"):
        train(dialect(FEWEST - 1))


def test_queries_go_to_the_expert_of_their_field_and_those_of_no_field_to_the_base() -> None:
    known = Roster([expert("wings", field(0)), expert("wires", field(1))])
    for centre, name in ((0, "wings"), (1, "wires"), (5, None)):
        choices = [known.choose(vector) for vector in field(centre, seed=100)]
        right = sum(choice.expert == name for choice in choices) / len(choices)
        assert right >= 0.85, (name, right)
        assert set(choices[0].scores) == {BASE, "wings", "wires"}
    assert "wings by the most probable: wings" in known.choose(field(0)[0]).reason


@pytest.mark.parametrize("method", ["mean", "nearest"])
def test_pilots_send_queries_to_the_expert_whose_are_nearest(method) -> None:
    roster = Roster([expert("wings", field(0)), expert("wires", field(1))], method)
    assert roster.choose(field(0, seed=9)[0]).expert == "wings"
    assert roster.choose(field(1, seed=9)[0]).expert == "wires"
    assert Roster([], method).choose(field(0)[0]).expert is None


def test_the_pilot_of_the_base_wins_queries_on_which_it_did_best() -> None:
    vectors = np.concatenate([field(0), field(2)])
    scores = {"wings": np.repeat([1.0, 0.0], 40), BASE: np.repeat([0.5, 0.5], 40)}
    found = pilots(vectors, scores, "wings")
    one = expert("wings", vectors)
    split = LinearExpert(
        card=one.card,
        change=one.change,
        pilots=Pilots(won=found["wings"][None], lost=found[BASE][None], gate=one.pilots.gate),
    )
    roster = Roster([split], "nearest")
    assert roster.choose(field(0, seed=4)[0]).expert == "wings"
    assert roster.choose(field(2, seed=4)[0]).expert is None


def test_a_query_on_which_all_did_as_well_is_the_own_experts() -> None:
    same = np.ones(40)
    assert list(pilots(field(0), {BASE: same, "wings": same}, "wings")) == ["wings"]


def test_a_query_is_read_by_whom_was_chosen_and_by_the_base_once_they_are_gone() -> None:
    turn = np.roll(np.eye(DIM, dtype=np.float32), 1, axis=1) * 5
    roster = Roster([expert("wings", field(0), turn)])
    vector = field(0)[0]
    choice = roster.choose(vector)
    read = roster.read(choice, "?", vector)
    assert read @ vector < 0.9
    assert np.linalg.norm(read) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(Roster([]).read(choice, "?", vector), vector)


def test_a_file_gives_back_the_expert_that_was_saved(tmp_path: Path) -> None:
    one = expert("wings", field(0), np.eye(DIM, dtype=np.float32))
    file = tmp_path / "below" / "wings.safetensors"
    save_expert(one, file)
    again = parse_expert(file.read_bytes(), encoder="e", name="wings")
    assert again.card == one.card
    vectors = field(3)
    assert np.array_equal(again.adapt([""] * 40, vectors), one.adapt([""] * 40, vectors))
    for vector in (*field(0, seed=2), *vectors):
        assert again.pilots.gate.probability(vector) == pytest.approx(
            one.pilots.gate.probability(vector), abs=1e-5
        )


@pytest.mark.parametrize("place", [0, 8, 300, -200])
def test_a_damaged_file_is_refused_in_words(place: int) -> None:
    data = bytearray(dump_expert(expert("wings", field(0))))
    data = data[:place] if place < 0 else data[:place] + b"\xff" * 40 + data[place + 40 :]
    with pytest.raises(ConfigurationError, match="'wings' is damaged"):
        parse_expert(bytes(data), encoder="e", name="wings")


def test_numbers_that_do_not_fit_together_are_refused() -> None:
    one = expert("wings", field(0), np.eye(DIM + 1, dtype=np.float32))
    with pytest.raises(ConfigurationError, match="its change does not fit"):
        parse_expert(dump_expert(one), encoder="e", name="wings")
    nan = expert("wings", field(0), np.full((DIM, DIM), np.nan, np.float32))
    with pytest.raises(ConfigurationError, match="its numbers are not finite"):
        parse_expert(dump_expert(nan), encoder="e", name="wings")


def test_an_expert_for_another_encoder_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=re.escape("made for the encoder 'e'")):
        parse_expert(dump_expert(expert("wings", field(0))), encoder="f", name="wings")


def test_queries_are_cropped_of_documents_and_lead_to_them() -> None:
    documents = (
        Document(title="how wings bend under load", text="Wings bend. " * 9),
        Document(text="Short. The boundary layer of a flat plate grows slowly. Yes."),
        Document(text="Too short."),
    )
    made = cropped(TrainingSet(name="s", documents=documents), most=10)
    by_query = dict(zip(made.queries, made.gains, strict=True))
    assert by_query == {
        "how wings bend under load": {0: 1.0},
        "The boundary layer of a flat plate grows slowly.": {1: 1.0},
    }
    assert made.synthetic
    assert len(cropped(made, most=1).queries) == 1


class Broken(LinearExpert):
    """An expert whose transformer is gone."""

    def adapt(self, texts: Sequence[str], vectors: Vectors) -> Vectors:
        raise ConfigurationError("The transformer is gone.")


async def test_where_an_expert_fails_the_base_reads_and_the_log_tells(caplog) -> None:
    whole = expert("wings", field(0))
    broken = Broken(card=whole.card, pilots=whole.pilots, change=whole.change)
    lineup = Lineup([Serving(expert=broken, serves=("memory",))], "gate")
    assert lineup.choose(("memory",), field(0)[0])["memory"].expert == "wings"
    assert await read_query(lineup, ("memory",), "?", field(0)[0], None) == {}
    assert "The transformer is gone" in caplog.text
