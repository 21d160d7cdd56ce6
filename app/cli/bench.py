"""`callboard bench`: how good are routing, memory and ladders, on public data sets?"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from .places import Address, On, Workers, place_of
from .questions import DataDir, Limit, MemoTokens, ModuleModel, Numbers, SetName, StrategyName
from .terminal import AsJson, emit, err, known_names, names, numbers, show, tell

commands = typer.Typer(
    help="Measure routing and memory on public data sets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


TIER_SHARES = ("low_share", "mid_share", "high_share")


@commands.callback()
def options() -> None:
    """Measure routing and memory on public data sets."""


@commands.command()
def routing(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder with the data sets, which are not shipped."),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--set",
            metavar="NAME",
            help="clinc150, hwu64, sgd, sgd-tcar, sgd-schema, sgdx_v1 to sgdx_v5, metatool, "
            "seal_tools, catalogue, catalogue-hwu64 or catalogue-packages.",
        ),
    ],
    shots: Annotated[
        Literal["0", "5", "10", "all"], typer.Option(help="Example queries per agent.")
    ] = "0",
    policy: Annotated[
        Literal["auto", "retrieval", "reasoning"], typer.Option(help="How agents are chosen.")
    ] = "retrieval",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The configured model that judges.")
    ] = "main",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Take this many queries of each part, by a fixed draw."),
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, help="Queries under way at a time; times are then longer.")
    ] = 1,
    details: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a line of JSON per test query to this file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Route the queries of a data set, and count who was called rightly.

    Everything happens in a database of its own; of your settings only the models and the encoder
    are used. Shares are in percent, with 95 % intervals; what is unknown is null.
    """
    from rich.progress import Progress

    from ...benchmarks.routing import Setup, measure
    from ...benchmarks.routing_report import write_lines
    from ...benchmarks.sets import Shots, load_set

    routing_set = load_set(data, name)
    wanted: dict[str, Shots] = {"0": 0, "5": 5, "10": 10, "all": "all"}
    setup = Setup(
        shots=wanted[shots],
        policy=policy,
        model=model,
        limit=limit,
        parallel=parallel,
        config=ctx.obj,
    )
    with Progress(console=err(), transient=True) as bar:
        task = bar.add_task("Registering the agents", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what.capitalize(), completed=done, total=total)

        measured = measure(routing_set, setup, tell)
    if details is not None:
        details.write_text(write_lines(measured.test), encoding="utf-8")
    if as_json:
        emit(measured.figures)
    else:
        from .tables import draw_routing

        show(draw_routing(measured.figures))


@commands.command()
def overhead(
    server: Annotated[
        str, typer.Option(metavar="URL", help="An instant server that speaks OpenAI's API.")
    ],
    peers: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Scripts of other frameworks, measured if installed."),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Queries of each kind.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Time a turn of two agents among eight beside bare LiteLLM, which makes the same calls."""
    from ...benchmarks.machine import describe_machine
    from ...benchmarks.overhead import measure_overhead

    with err().status("Measuring") as status:
        rows = list(
            measure_overhead(
                server,
                peers=peers,
                turns=turns,
                told=lambda name: status.update(f"Measuring {name}"),
            )
        )
    if as_json:
        emit({"machine": describe_machine(), "rows": rows})
    else:
        from .tables import draw_rows

        tell(describe_machine())
        show(draw_rows(rows, (*rows[0], "error")))


@commands.command()
def load(
    clients: Annotated[int, typer.Option(min=1, help="Clients that stream at once.")] = 500,
    seconds: Annotated[float, typer.Option(min=1, help="How long they ask.")] = 60,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the service.")] = 1,
    latency_ms: Annotated[float, typer.Option(min=0, help="What the model takes.")] = 50,
    per_second: Annotated[
        float | None,
        typer.Option(min=1, help="Turns begun a second; without it, as many as are answered."),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="An empty database; else a SQLite file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load the service of 'callboard serve' with clients that stream, on this machine."""
    from ...benchmarks.load import measure_load
    from ...benchmarks.machine import describe_machine

    with err().status("Starting") as status:
        row = measure_load(
            clients=clients,
            seconds=seconds,
            workers=workers,
            latency_ms=latency_ms,
            per_second=per_second,
            database_url=database_url,
            told=status.update,
        )
    if as_json:
        emit({"machine": describe_machine(), **row})
    else:
        from .tables import draw_rows

        tell(describe_machine())
        rows = [{"": name, "measured": value} for name, value in row.items()]
        show(draw_rows(rows, ("", "measured")))


@commands.command()
def placement(
    instances: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Instances that serve the model, like 4,16.")
    ] = "4,8,16,32,64",
    requests: Annotated[int, typer.Option(min=100, help="Prompts of each load.")] = 4000,
    as_json: AsJson = False,
) -> None:
    """Simulate where prompts go among servers that keep what they have read."""
    from ...benchmarks.placement import measure_placement

    counts = tuple(number for number in numbers(instances) if number)
    with err().status("Simulating") as status:
        rows = list(measure_placement(instances=counts, requests=requests, told=status.update))
    if as_json:
        emit({"rows": rows})
    else:
        from .tables import draw_rows

        show(draw_rows(rows, tuple(rows[0])))


@commands.command()
def ladder(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder with the data sets, which are not shipped."),
    ],
    name: Annotated[
        Literal["routerdc_model7"], typer.Option("--set", help="The outcomes that are read.")
    ] = "routerdc_model7",
    rungs: Annotated[
        list[str] | None,
        typer.Option(
            "--rungs", metavar="A,B", help="Models of the set, the cheapest first; may be repeated."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the larger model where it is predicted to gain, and compare quality and cost.

    Beside it: always the small or the large one, by the quality that is predicted of the small
    one, by chance as often, and with hindsight. In percent, with 95 % intervals; the cost is that
    of always asking the large one.
    """
    from ...benchmarks.ladder import LADDERS, measure_ladders
    from ...config import load_settings
    from ...search.encoders import load_encoder

    settings = load_settings(ctx.obj)
    ladders = [names(one) for one in rungs] if rungs else LADDERS
    with err().status("Reading") as status:
        encoder = load_encoder(settings.encoder, settings.cache_dir)
        rows = measure_ladders(data / name, encoder, ladders, status.update)
    if as_json:
        emit({"rows": rows})
    else:
        from .tables import draw_ladders

        show(draw_ladders(rows))


@commands.command()
def budget(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings that are averaged.")] = 3,
    on: On = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train the budget policy where the best tiers are known, and count what it misses.

    Regret is in percent of what there is to gain over always choosing low. Takes an hour, which
    the processes of a cluster share.
    """
    from ...benchmarks.budget import measure_trainer

    place = place_of(on, address, workers)
    with redirect_stdout(sys.stderr), err().status("Training") as status:
        figures = measure_trainer(
            range(seeds), lambda what: status.update(f"Training: {what}"), place
        )
    if as_json:
        emit(figures)
    else:
        from .tables import draw_rows

        names = ("method", "regret", "task_reward", "cost_usd", *TIER_SHARES)
        show(draw_rows(figures["rows"], names))


@commands.command()
def memory(
    ctx: typer.Context,
    data: DataDir = None,
    name: SetName = "locomo",
    strategy: StrategyName = "implementation",
    model: ModuleModel = "main",
    answering: Annotated[
        str | None,
        typer.Option("--answer-model", metavar="NAME", help="A model that answers from the memo."),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="Of none, full, naive, low, mid, high and random; the last two ask."
        ),
    ] = "none,full,naive,low,mid",
    policies: Annotated[
        list[Path] | None,
        typer.Option("--policy", metavar="FILE", help="A trained policy; may be given again."),
    ] = None,
    conversations: Numbers = "6-7",
    memo_tokens: MemoTokens = 512,
    limit: Limit = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database", metavar="URL", help="An empty PostgreSQL that finds in its stacks."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recall what answers the questions of long conversations, and count what stands in the memo.

    Everything happens in a database of its own; of your settings only the models and the encoder
    are used. What models answered is kept in the cache folder, and paid once. Shares are in
    percent, with 95 % intervals.
    """
    from rich.progress import Progress

    from ...benchmarks.memory import METHODS, MemorySetup, measure_memory

    setup = MemorySetup(
        strategy=strategy,
        model=model,
        answering=answering,
        memo_tokens=memo_tokens,
        limit=limit,
        methods=known_names(methods, METHODS, "method"),
        policies=tuple(policies or ()),
        config=ctx.obj,
        database_url=database_url,
        in_process_chunks=None if database_url is None else 0,
    )
    with Progress(console=err(), transient=True) as bar:
        task = bar.add_task("Storing the conversations", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        figures = measure_memory(data, name, numbers(conversations), setup, tell)
    if as_json:
        emit(figures)
    else:
        from .tables import draw_rows

        names = ("method", "evidence_recall", "answer_in_memo", "f1", "exact", "memo_tokens")
        show(draw_rows(figures["rows"], (*names, "llm_calls", "cost_usd", "p50_ms", "queries")))


@commands.command()
def retrieval(
    ctx: typer.Context,
    data: Annotated[
        Path, typer.Option(metavar="DIR", exists=True, help="The folder that holds the sets.")
    ],
    sets: Annotated[
        str, typer.Option(metavar="A,B", help="Folders in it, one for each set.")
    ] = "ir_cranfield,ir_npl,ir_medquad,ir_cosqa",
    as_json: AsJson = False,
) -> None:
    """Search with experts, made of four fifths of each set's queries, and count what is found.

    Beside them: words (BM25), the encoder alone, both, one adapter for all sets, and oracles. In
    percent, with 95 % intervals; 'gain' is the difference to the encoder alone. It takes about a
    quarter of an hour on two processors.
    """
    from ...benchmarks.machine import describe_machine
    from ...benchmarks.retrieval import measure_retrieval, read_tasks
    from ...config import load_settings
    from ...search.encoders import load_encoder

    settings = load_settings(ctx.obj)
    with err().status("Loading the encoder") as status:
        encoder = load_encoder(settings.encoder, settings.cache_dir)
        tasks = read_tasks(data, names(sets), encoder, settings.cache_dir, status.update)
        rows = measure_retrieval(tasks, status.update)
    if as_json:
        emit({"machine": describe_machine(), "encoder": encoder.name, "rows": rows})
    else:
        from .tables import draw_rows

        tell(describe_machine())
        show(draw_rows(rows))
