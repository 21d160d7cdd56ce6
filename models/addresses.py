"""Where the endpoints of registered agents may be, and which keys may be sent there.

Who registers an agent names an address that this process then calls from inside its network. The
rule is asked twice: when an agent is read, for what stands in the address, and when a connection is
made, for what the name leads to. Names are resolved once, and what was checked is what is connected
to, so that a name which leads elsewhere a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from ..errors import ConfigurationError, InvalidInput
from ..model_settings import OPENAI_COMPATIBLE, ModelSettings

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses that a host name has for a port.

Raises:
    OSError: it has none.
"""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?"
    r"(?:/[!-~]*)?",
    re.IGNORECASE,
)
"""ASCII without a user, so that no two parsers read different hosts in it."""
_ENTRY = re.compile(r"(?P<host>(?:\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?")
_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
"""A host that C libraries read as an address: 2130706433, 0x7f.1, 0177.0.0.1."""
_PORTS = {"http": 80, "https": 443}
_INNER = ("localhost", "local", "internal")

_UNICAST = ip_network("2000::/3")
_SPECIAL = (
    ip_network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata among them
    ip_network("168.63.129.16/32"),  # Azure's
    ip_network("2002::/16"),  # 6to4: an IPv4 address inside
)


class AddressRefused(OSError):
    """A name leads to an address that the rule does not allow."""


async def resolved(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class AddressRule:
    """Allows public addresses over https, and what the operator names.

    Args:
        allow: hosts that may also be private and asked over http: `gpu.lan`, `gpu.lan:8000`,
            `*.example.com`, `10.1.2.3:8000`; or networks that names may lead into: `10.0.0.0/8`.
        public: whether all public addresses are allowed; else only what `allow` names.
        keys: variables that may be named as `api_key_env`, and the host each key is for.
        resolve: returns the addresses of a host.

    Raises:
        ConfigurationError: an entry is neither a host nor a network.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        public: bool = True,
        keys: Mapping[str, str] | None = None,
        resolve: Resolve = resolved,
    ) -> None:
        self._allowed = tuple(_entry(one, "endpoints.allow") for one in allow)
        self._public = public
        self._keys = {name: _entry(to, "endpoints.keys") for name, to in (keys or {}).items()}
        self._resolve = resolve

    def check(self, endpoint: ModelSettings) -> None:
        """Refuse the endpoint of an agent that may not be called, whatever its name leads to.

        Raises:
            InvalidInput: one of its deployments is at such an address, would be sent a key that is
                not for it, or can only be reached by a library that chooses the address itself.
        """
        for one in endpoint.served().values():
            if one.api_base is None or not one.model.startswith(OPENAI_COMPATIBLE):
                raise InvalidInput(
                    f"its endpoint {one.model!r} would be where the provider's library chooses. "
                    "Set api_base, and begin the model with one of "
                    f"{', '.join(OPENAI_COMPATIBLE)}; or name a model of the settings."
                )
            place = _place(one.api_base)
            why = self._refusal(place)
            if why is not None:
                raise InvalidInput(
                    f"its endpoint {one.api_base!r} {why}. Name another, or have the operator add "
                    "it to allow in [endpoints]."
                )
            key = one.api_key_env
            if key is not None and not (key in self._keys and self._keys[key].covers(place)):
                raise InvalidInput(
                    f"its api_key_env {key!r} is not a key for {place.host!r}. Have the operator "
                    f"add it to [endpoints.keys]: {key} = {place.host!r}."
                )

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host, all of them allowed.

        Raises:
            AddressRefused: one of them is not.
            OSError: it has none.
        """
        place = _Place(scheme="https", host=_bare(host), port=port)
        found = await self._resolve(host, port)
        if not self._trusts(place):
            for one in found:
                self._check_reached(place, one)
        return found

    def _check_reached(self, place: _Place, found: str) -> None:
        address = _plain(ip_address(found))
        if not self._may_reach(address, place.port):
            raise AddressRefused(
                f"{place.host!r} leads to {found}, which is {_kind(address)}; the operator may add "
                "it to allow in [endpoints]"
            )

    def _refusal(self, place: _Place) -> str | None:
        """Say why what stands in an address may not be called, or None."""
        if self._trusts(place):
            return None
        if place.scheme != "https":
            return "is asked without encryption, which only allowed hosts are"
        if place.address is not None:
            address = place.address
            return None if self._may_reach(address, place.port) else f"is {_kind(address)}"
        # A name may lead into an allowed network.
        if any(one.network is not None for one in self._allowed):
            return None
        if not self._public:
            return "is not allowed"
        last = place.host.rpartition(".")[2]
        inner = last in _INNER or last == place.host
        return "is a name of this machine or its network" if inner else None

    def _trusts(self, place: _Place) -> bool:
        return any(one.covers(place) for one in self._allowed)

    def _may_reach(self, address: Address, port: int) -> bool:
        if any(one.holds(address, port) for one in self._allowed):
            return True
        return self._public and is_public(address)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the open internet.

    Not loopback, private, link-local (clouds tell secrets at 169.254.169.254), shared by a carrier
    (100.64.0.0/10), multicast, unspecified or reserved, nor IPv6 that wraps an IPv4 address.
    Source: the special-purpose registries of IANA (RFC 6890), as Python's ipaddress has them.
    """
    if address.version == 6 and address not in _UNICAST:
        return False
    special = any(address in network for network in _SPECIAL)
    return address.is_global and not address.is_multicast and not special


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What an address names: `host` in small letters, without the dot at its end."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        try:
            return _plain(ip_address(self.host))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What an operator allows: hosts by name, or addresses; at one port, or at all."""

    host: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None

    def covers(self, place: _Place) -> bool:
        """Tell whether it names the host itself."""
        if place.address is not None:
            return self.holds(place.address, place.port)
        named = (
            place.host.endswith(self.host[1:])
            if self.host.startswith("*.")
            else place.host == self.host
        )
        return named and self._at(place.port)

    def holds(self, address: Address, port: int) -> bool:
        """Tell whether it names the address."""
        return self.network is not None and address in self.network and self._at(port)

    def _at(self, port: int) -> bool:
        return self.port is None or self.port == port


def _entry(text: str, where: str) -> _Entry:
    given = text.strip().lower()
    try:
        return _Entry(network=ip_network(given, strict=False))
    except ValueError:
        pass
    found = _ENTRY.fullmatch(given)
    if found is None:
        raise ConfigurationError(
            f"{where} holds {text!r}, which is no host or network. Write 'gpu.lan', "
            "'gpu.lan:8000', '*.example.com' or '10.0.0.0/8'."
        )
    host, port = _bare(found["host"]), int(found["port"]) if found["port"] else None
    try:
        return _Entry(network=ip_network(host), port=port)
    except ValueError:
        return _Entry(host=host, port=port)


def _place(url: str) -> _Place:
    found = _URL.fullmatch(url)
    if found is None or "?" in url or "#" in url or "\\" in url:
        raise InvalidInput(
            f"its endpoint {url!r} is no address that may be called. Write it as "
            "'https://host:port/path' in ASCII, without user, question mark or fragment."
        )
    scheme, host = found["scheme"].lower(), _bare(found["host"])
    place = _Place(scheme=scheme, host=host, port=int(found["port"] or _PORTS[scheme]))
    if place.address is None and (_NUMBER.fullmatch(host) or ":" in host):
        raise InvalidInput(
            f"its endpoint {url!r} holds an address in an unusual form. Write IPv4 as four decimal "
            "numbers."
        )
    return place


def _bare(host: str) -> str:
    return host.lower().strip("[]").removesuffix(".")


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one only wraps."""
    return getattr(address, "ipv4_mapped", None) or address


def _kind(address: Address) -> str:
    if is_public(address):
        return "not allowed"
    kinds = ("loopback", "link_local", "unspecified", "multicast", "private")
    kind = next((one for one in kinds if getattr(address, f"is_{one}")), None)
    return f"not a public address ({kind.replace('_', '-')})" if kind else "not a public address"
