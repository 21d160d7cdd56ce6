"""`callboard train`: makes what decides how much memory and models may cost, and experts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .places import Address, On, Workers, place_of, spread_encoder
from .questions import DataDir, Limit, MemoTokens, ModuleModel, Numbers, SetName, StrategyName
from .tenants import LOCAL, changing
from .terminal import AsJson, emit, err, names, numbers, open_board, show, tell

if TYPE_CHECKING:
    from ...search.experts.expert import Expert

commands = typer.Typer(
    help="Train what decides about memory and models, and experts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.callback()
def options() -> None:
    """Train what decides about memory and models, and experts."""


@commands.command()
def budget(
    ctx: typer.Context,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the policy, its checkpoint and pictures go."),
    ],
    data: DataDir = None,
    name: SetName = "locomo",
    method: Annotated[
        Literal["ppo", "bandit"],
        typer.Option(help="Reinforcement learning of a network, or a contextual bandit."),
    ] = "ppo",
    strategy: StrategyName = "implementation",
    cost_weights: Annotated[
        list[float] | None,
        typer.Option(
            "--cost-weight",
            min=0,
            metavar="L",
            help="How much a low cost counts beside the task; may be given again.  [default: 0.1]",
        ),
    ] = None,
    model: ModuleModel = "main",
    conversations: Numbers = "0-5",
    limit: Limit = None,
    memo_tokens: MemoTokens = 512,
    epochs: Annotated[int, typer.Option(min=1, help="How often every question is seen.")] = 7,
    batch: Annotated[int, typer.Option(min=2, help="Questions between two improvements.")] = 32,
    seed: Annotated[int, typer.Option(help="The same seed gives the same policy.")] = 0,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned/--not-aligned", help="Bring the rewards of task and cost to one scale."
        ),
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a policy that chooses the tier of every memory module, query by query.

    What models answer is kept in the cache folder, and paid once. The policy is
    DIR/policy.safetensors; name it as policy in [memory] of callboard.toml. Needs the extra
    'train'.
    """
    import torch

    from ...benchmarks.memory import MemorySetup
    from ...benchmarks.memory_environment import memory_environment
    from ...pipelines.training.course import Course, train_bandit_policy, train_policies
    from ...pipelines.training.ppo import TrainingSettings

    torch.set_num_threads(1)  # the network is small: threads would wait for each other
    chosen = numbers(conversations)
    weights = tuple(cost_weights or (0.1,))
    setup = MemorySetup(
        strategy=strategy, model=model, memo_tokens=memo_tokens, limit=limit, config=ctx.obj
    )
    settings = TrainingSettings(
        cost_weight=weights[0], epochs=epochs, batch=batch, seed=seed, aligned=aligned
    )
    out.mkdir(parents=True, exist_ok=True)
    with err().status("Storing the conversations") as status:

        def progress(what: str) -> None:
            status.update(what[:1].upper() + what[1:])

        with memory_environment(data, name, chosen, setup) as environment:
            course = Course(
                environment=environment,
                descriptions=environment.descriptions,
                folder=out,
                card={
                    "set": name,
                    "conversations": list(chosen),
                    "limit": limit,
                    "strategy": strategy,
                    "model": model,
                    "memo_tokens": memo_tokens,
                },
                resume=resume,
            )
            if method == "bandit":
                points = {"bandit": train_bandit_policy(course, settings, progress)}
            else:
                points = train_policies(course, settings, weights, progress)
    rows = [
        {"policy": one, "task_reward": round(p.reward, 4), "cost_usd": round(p.cost_usd, 6)}
        for one, p in points.items()
    ]
    if as_json:
        emit({"rows": rows, "folder": str(out)})
        return
    from .tables import draw_rows

    show(draw_rows(rows))
    tell(f"Written to {out}.")


@commands.command()
def ladder(
    ctx: typer.Context,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with files of outcomes, JSON lines.")
    ],
    rungs: Annotated[
        str, typer.Option(metavar="A,B", help="The models, from the cheapest to the dearest.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the predictor goes.")],
    keep: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of what the dearest gains that tau keeps."),
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="The same seed holds the same outcomes out.")] = 0,
    on: On = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train the predictor of a ladder: how much better the dearer model would answer.

    An outcome is a line {"query": ..., "scores": {"small": 0.4, "main": 0.9}}, with draft, logprob
    and cost_usd by model if they are known. Files called ..._test are left for testing. A fifth is
    held out: tau is chosen on it, and what is shown was measured on it. Name FILE as predictor
    beside the ladder in callboard.toml. On a cluster its processes share the encoding of texts.
    """
    from ...agents.refining.substance import refuses
    from ...benchmarks.sets.outcomes import files_to_train_on, read_outcomes
    from ...config import load_settings
    from ...pipelines.training.ladder import train_ladder

    settings, place = load_settings(ctx.obj), place_of(on, address, workers)
    models = names(rungs)
    outcomes = read_outcomes(data, files_to_train_on(data), models)
    with (
        err().status(f"Reading {len(outcomes)} outcomes"),
        spread_encoder(settings, place) as encoder,
    ):
        trained = train_ladder(
            outcomes,
            models,
            encoder=encoder,
            refuses=refuses,
            kept=keep,
            seed=seed,
            data=data.name,
        )
    trained.predictor.save(out)
    if as_json:
        emit({"rows": trained.rows, "tau": trained.predictor.tau, "file": str(out)})
        return
    from .tables import draw_rows

    show(draw_rows(trained.rows))
    tell(f"tau is {trained.predictor.tau:.3f}. Written to {out}.")


@commands.command()
def expert(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="The folder with corpus.jsonl, and queries.jsonl with qrels.jsonl if there are.",
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="What the expert is called.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where it goes.  [default: NAME.safetensors]"),
    ] = None,
    synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="Make queries of the documents, also if there are some."),
    ] = False,
    queries: Annotated[
        int, typer.Option(min=20, help="How many queries are made of the documents, at most.")
    ] = 1000,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The configured model that writes them; without it they are titles and sentences.",
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="What writing them may cost.")
    ] = None,
    kind: Annotated[
        Literal["linear", "lora"],
        typer.Option(help="A map of vectors, or matrices inside the transformer (best on a GPU)."),
    ] = "linear",
    epochs: Annotated[
        int, typer.Option(min=1, help="How often every query is seen at most, of kind lora.")
    ] = 60,
    add: Annotated[
        bool, typer.Option("--add", help="Add it to the board at once, if it beats the base.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed holds the same queries out.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train an expert: another reading of the queries of one field, over the encoder.

    Documents are lines {"id": ..., "title": ..., "text": ...}, queries {"id": ..., "text": ...},
    qrels {"query": ..., "doc": ..., "score": ...}. Every query is held out once: the report says
    how well those were found by the encoder alone and by the expert, as nDCG@10. An expert that
    is not better can't be added to a board. Of kind 'lora' it costs each query a run of the
    transformer and needs the extra 'experts'.
    """
    from ...benchmarks.sets.retrieval import read_training_set
    from ...config import load_settings
    from ...pipelines.training.experts import train_expert, train_lora_expert
    from ...search.encoders import load_encoder
    from ...search.experts.files import save_expert
    from ...search.experts.lora_training import LoraSettings
    from ...search.experts.training import TrainingSettings
    from ...search.experts.training_set import cropped
    from ..views import card_json, score_text

    given = read_training_set(data)
    settings = load_settings(ctx.obj)
    file = out or Path(f"{name}.safetensors")
    with err().status("Reading the documents") as status:

        def progress(what: str) -> None:
            status.update(what[:1].upper() + what[1:])

        if model is not None:
            progress(f"{model} writes queries")
            with open_board(ctx) as board:
                given = board.experts.write_queries_sync(
                    given, model, most=queries, budget_usd=budget
                )
        elif synthetic or not given.queries:
            given = cropped(given, most=queries, seed=seed)
        encoder = load_encoder(settings.encoder, settings.cache_dir)
        made: Expert
        if kind == "lora":
            how = LoraSettings(seed=seed, epochs=epochs)
            made = train_lora_expert(
                name, given, encoder, settings.cache_dir, settings.encoder, how, progress
            )
        else:
            made = train_expert(
                name, given, encoder, settings.cache_dir, TrainingSettings(seed=seed), progress
            )
        save_expert(made, file)
        better = made.card.score.gain > 0
        if add and better:
            with changing(ctx, LOCAL, "add expert", name) as board:
                board.experts.add_sync(made, replace=True)
    if as_json:
        emit({**card_json(made.card), "file": str(file), "added": add and better})
        return
    tell(score_text(made.card.score))
    if better:
        then = "added" if add else f"add it with: callboard experts add {file}"
    else:
        then = "it does not beat the base and can't be added: train it with more queries"
    tell(f"Written to {file}; {then}.")
