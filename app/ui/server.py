"""Starts the app's server, and sees that nobody but this machine reaches it without a login."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ..local import is_local

HERE = Path(__file__).parent
MAX_UPLOAD_MB = 20


def serve(*, host: str, port: int, config: Path | None, ready: Callable[[], None]) -> None:
    """Serve the app until it is stopped; `ready` is called when it begins to listen.

    Raises:
        ConfigurationError: the host is not this machine alone and no login is configured, or a
            login is and the package that it needs is missing.
    """
    import streamlit.auth_util as login
    from streamlit.web import bootstrap

    from .visitor import warm_up

    options = _options(host, port)
    bootstrap.load_config_options(options)
    section = login.get_secrets_auth_section()
    if not section and not is_local(host):
        raise ConfigurationError(
            f"Without a login the app listens on this machine only, and {host!r} is not it. "
            "Configure [auth] in .streamlit/secrets.toml (docs/app.md says how), or leave out "
            "--host."
        )
    if section and not login.is_authlib_installed():
        raise ConfigurationError(
            "A login is configured, and the package that it needs is not installed. "
            "Install it with: pip install 'callboard[login]'"
        )
    if config is not None:
        os.environ["CALLBOARD_CONFIG"] = str(config.resolve())
    warm_up()
    gc.freeze()  # the libraries stay; a collection need not look at them
    ready()
    bootstrap.run(str(HERE / "main.py"), False, [], options)


def _options(host: str, port: int) -> dict[str, Any]:
    """Return Streamlit's options, as its command line would name them."""
    return {
        "server_address": host,
        "server_port": port,
        "server_headless": True,
        "server_fileWatcherType": "none",
        "server_maxUploadSize": MAX_UPLOAD_MB,
        "browser_gatherUsageStats": False,
        "client_showErrorDetails": "none",
        "client_toolbarMode": "minimal",
        "runner_postScriptGC": False,  # half a second a run, of libraries that stay anyway
        "theme_base": str(HERE / "theme.toml"),
    }
