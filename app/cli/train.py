"""`callboard train`: makes what decides how much memory and models may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .places import Address, On, Workers, place_of, spread_encoder
from .questions import DataDir, Limit, MemoTokens, ModuleModel, Numbers, SetName, StrategyName
from .terminal import AsJson, emit, err, names, numbers, show, tell

commands = typer.Typer(
    help="Train what decides about memory and models.", no_args_is_help=True, rich_markup_mode=None
)


@commands.callback()
def options() -> None:
    """Train what decides about memory and models."""


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
