from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from callboard.config import AddressSettings, Settings, load_settings
from callboard.errors import ConfigurationError
from callboard.model_settings import EMBEDDED_MODEL, ModelSettings


def write(text: str, folder: Path | None = None) -> Path:
    path = (folder or Path()) / "callboard.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_embedded_defaults_hold() -> None:
    settings = load_settings()
    assert settings.models == {"main": EMBEDDED_MODEL}
    assert settings.bundled_agents
    assert settings.database_url == "sqlite:///callboard.db"


def test_a_file_switches_the_bundled_agents_off() -> None:
    write("[router]\nmax_agents = 2\n")
    assert not load_settings().bundled_agents


def test_argument_beats_environment_beats_file_beats_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("[router]\nmax_agents = 2\nmin_probability = 0.5\n[limits]\nbudget_usd = 1\n")
    monkeypatch.setenv("CALLBOARD_ROUTER__MAX_AGENTS", "4")
    monkeypatch.setenv("CALLBOARD_LIMITS__BUDGET_USD", "2")
    settings = load_settings(limits={"budget_usd": "3"})
    assert settings.router.min_probability == 0.5
    assert settings.router.max_agents == 4
    assert settings.limits.budget_usd == Decimal(3)
    assert settings.router.shortlist == Settings().router.shortlist


def test_the_environment_adds_to_a_model_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[models.main]\nmodel = "hosted_vllm/x"\n')
    monkeypatch.setenv("CALLBOARD_MODELS__MAIN__API_BASE", "http://gpu:8000/v1")
    main = load_settings().models["main"]
    assert (main.model, main.api_base) == ("hosted_vllm/x", "http://gpu:8000/v1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[router]\nmax_agent = 2\n", "'router.max_agent' is not a known key: did you mean 'max_a"),
        ('[models.main]\nmodel = "x"\napi_key = "sk-canary"\n', "did you mean 'api_key_env'"),
        ("datbase_url = 'x'\n", "did you mean 'database_url'"),
        ("[router]\nmax_agents = 0\n", "'router.max_agents'"),
        ("[router]\nmodel = 'big'\n", "router.model names the model 'big'"),
        ("[router\n", "is not valid TOML"),
        ("a = \x00\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_the_fix(text: str, message: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError, match=r"callboard\.toml") as caught:
        load_settings()
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    Path("callboard.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_settings()
    with pytest.raises(ConfigurationError, match="callboard init"):
        load_settings(tmp_path / "absent.toml")


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ROUTR__MASS", "0.5")
    with pytest.raises(ConfigurationError, match="CALLBOARD_ROUTER"):
        load_settings()


def test_a_relative_database_stands_beside_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    settings = load_settings(write("database_url = 'sqlite:///my.db'\n", folder))
    assert settings.database_url == f"sqlite:///{folder / 'my.db'}"


def test_secrets_are_masked_and_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", "sk-canary")
    model = ModelSettings(model="hosted_vllm/x", api_key_env="GPU_KEY")
    settings = Settings(
        models={"main": model}, database_url="postgresql://me:pw-canary@host/callboard"
    )
    key = model.api_key
    assert key is not None
    assert key.get_secret_value() == "sk-canary"
    assert "canary" not in repr(settings) + repr(model) + repr(key) + str(settings)
    monkeypatch.delenv("GPU_KEY")
    with pytest.raises(ConfigurationError, match="'GPU_KEY'"):
        _ = model.api_key


def test_adapters_are_models_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "callboard.toml"
    file.write_text(
        '[models.main]\nmodel = "hosted_vllm/qwen"\nadapters = ["legal"]\n'
        '[[models.main.deployments]]\nname = "a"\napi_base = "http://a/v1"\n'
        '[[models.main.deployments]]\nname = "b"\napi_base = "http://b/v1"\nweight = 2\n'
    )
    settings = load_settings(file)
    legal = settings.models["main:legal"]
    assert {name: (at.model, at.api_base, at.weight) for name, at in legal.served().items()} == {
        "a": ("hosted_vllm/legal", "http://a/v1", 1.0),
        "b": ("hosted_vllm/legal", "http://b/v1", 2.0),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fallback = "small"', r"models.main.fallback names the model 'small'"),
        (
            'fallback = "other"\n[models.other]\nmodel = "openai/y"\nfallback = "main"',
            "main -> other -> main go round in a circle",
        ),
        (
            '[[models.main.deployments]]\nname = "a"\n[[models.main.deployments]]\nname = "a"',
            "two deployments are called 'a'",
        ),
        (
            '[[models.main.deployments]]\nname = "a"\nwieght = 2',
            "is not a known key.*'weight'",
        ),
    ],
)
def test_what_is_wrong_with_deployments_is_said(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "callboard.toml"
    file.write_text(f'[models.main]\nmodel = "openai/x"\n{text}\n')
    with pytest.raises(ConfigurationError, match=message):
        load_settings(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('ladder = ["small"]', "two models or more, each of them once"),
        ('ladder = ["small", "small"]', "two models or more, each of them once"),
        ('ladder = "small"', r"models\.careful\.ladder': Input should be a valid tuple"),
        ('ladder = ["small", "mian"]', "models.careful.ladder names the model 'mian'"),
        (
            'ladder = ["small", "other"]\n[models.other]\nladder = ["small", "main"]',
            "names 'other', which is a ladder itself; name its rungs instead: small, main",
        ),
        ('ladder = ["small", "main"]\napi_base = "http://x"', "set api_base at the models"),
        ('ladder = ["small", "main"]\ntau = 0.1', "add predictor = 'FILE'"),
        (
            'ladder = ["small", "main"]\npredictor = "p"\ntau = 0.1\npoint_usd = 1',
            "tau and point_usd are both set",
        ),
        ('model = "openai/x"\ntau = 0.1', "tau belongs to a ladder"),
        (
            'ladder = ["small", "main"]\n[models.other]\nmodel = "openai/y"\nfallback = "careful"',
            "models.other.fallback names the ladder 'careful'; name one of its rungs",
        ),
    ],
)
def test_what_is_wrong_with_a_ladder_is_said(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "callboard.toml"
    file.write_text(f'[models.small]\nmodel = "openai/x"\n[models.careful]\n{text}\n')
    with pytest.raises(ConfigurationError, match=message):
        load_settings(file)


def test_a_ladder_can_do_what_all_of_its_rungs_can(tmp_path: Path) -> None:
    file = tmp_path / "callboard.toml"
    file.write_text(
        '[models.small]\nmodel = "openai/x"\ntools = false\ncontext_tokens = 1000\n'
        '[models.main]\nmodel = "openai/y"\n[models.careful]\nladder = ["small", "main"]\n'
    )
    careful = load_settings(file).models["careful"]
    assert (careful.tools, careful.json_schema, careful.context_tokens) == (False, True, 1000)
    assert careful.model == "ladder/small,main"


def test_a_model_that_is_written_out_is_read_again() -> None:
    model = ModelSettings(model="openai/x", api_base="http://127.0.0.1/v1")
    assert ModelSettings.model_validate(model.model_dump()) == model
    assert ModelSettings.model_validate(model.model_dump(exclude_none=True)) == model


def test_a_service_checks_endpoints_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "callboard.toml"
    file.write_text("[endpoints]\nallow = ['gpu.lan']\n[endpoints.keys]\nTEAM_KEY = 'gpu.lan'\n")
    settings = load_settings(file)
    assert not settings.endpoints.check
    serving = settings.serving_others()
    assert serving.endpoints.check
    assert serving.endpoints.allow == ("gpu.lan",)
    file.write_text("[endpoints]\ncheck = false\n")
    assert not load_settings(file).serving_others().endpoints.check


def test_keys_for_endpoints_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "a-secret")
    settings = Settings(endpoints=AddressSettings(keys={"TEAM_KEY": "gpu.lan"}))
    assert "a-secret" in settings.secrets()
