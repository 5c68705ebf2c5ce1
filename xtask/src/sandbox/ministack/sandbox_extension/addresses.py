"""Who may reach the sandbox: this machine and its containers, nobody else.

Gap: MiniStack binds one address. On 127.0.0.1 a container on Docker's bridge does not reach it; on
0.0.0.0 the whole network does, and MiniStack starts containers for anybody who asks.

Here: it listens on 127.0.0.1 and ::1, which are localhost, and, where it is an address of this
machine, on the gateway of Docker's bridge. Docker, asked for localhost, tries ::1 first: another
user who listened there would be sent the registry's password. Listening on the gateway is not
"containers only": a neighbour with a route to the bridge's network reaches that address through
this machine. So every request's peer is checked as well: it must be an address of this machine
(Docker's masquerading makes a host process appear as the host's own address) or one of the
bridge's network. On Docker Desktop the gateway lies inside its virtual machine, and
host.docker.internal leads to 127.0.0.1.

A page in a browser on this machine can send requests to 127.0.0.1, too. It is refused by what
browsers say of it (Origin, Sec-Fetch-Site), and where it came by a name of its own that leads here
(DNS rebinding) by that name: Host must be one of those that the sandbox serves.

Instead of: `ministack.app.main`, which serves on `BIND_HOST` alone.
"""

import ipaddress
import logging
import re
import socket
import struct
import sys
from urllib.parse import urlsplit

from . import refusals

logger = logging.getLogger("sandbox.addresses")

SIOCGIFADDR = 0x8915
OWN_ORIGINS = ("localhost", "127.0.0.1")


def bridge_of(docker_client):
    """(gateway address or None, network or None) of Docker's default bridge."""
    try:
        attributes = docker_client.networks.get("bridge").attrs
    except Exception as error:
        logger.warning("Docker's bridge network cannot be inspected: %s", error)
        return None, None
    config = ((attributes.get("IPAM") or {}).get("Config") or [{}])[0]
    # Some engines leave the gateway out; the address of the bridge's interface is the same.
    interface = (attributes.get("Options") or {}).get("com.docker.network.bridge.name")
    return config.get("Gateway") or interface_address(interface), config.get("Subnet")


def interface_address(interface):
    if not interface or not sys.platform.startswith("linux"):
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            request = struct.pack("256s", interface.encode()[:15])
            return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)[20:24])
        except OSError:
            return None


def is_local(address):
    """Whether `address` belongs to this machine: only then can a socket be bound to it."""
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
        return True
    except OSError:
        return False


class Addresses:
    """The addresses to listen on and the peers that are let in."""

    def __init__(self, docker_client, registry="localhost"):
        gateway, network = bridge_of(docker_client) if docker_client else (None, None)
        self.gateway = gateway if gateway and is_local(gateway) else None
        self.network = ipaddress.ip_network(network) if network else None
        self._known = {}
        self._names = {"localhost", "127.0.0.1", "[::1]", "host.docker.internal"}
        self._names.update(filter(None, (self.gateway, registry.rsplit(":", 1)[0])))

    def bind(self, port):
        hosts = ["127.0.0.1", *(["[::1]"] if is_local("::1") else [])]
        return [f"{host}:{port}" for host in filter(None, (*hosts, self.gateway))]

    def allows(self, address):
        if address not in self._known:
            # A neighbour that scans from many addresses must not fill the memory.
            if len(self._known) > 1000:
                self._known.clear()
            self._known[address] = self._decide(address)
        return self._known[address]

    def serves(self, host):
        """Whether the header Host names this sandbox, or what is below a name of it."""
        # With any port: what stands before the sandbox, such as a tunnel, has its own.
        parts = re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]+)?", host.lower())
        return bool(parts) and any(
            parts[1] == ours or parts[1].endswith(f".{ours}") for ours in self._names
        )

    def _decide(self, address):
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if self.network and parsed.version == self.network.version and parsed in self.network:
            return True
        return is_local(address)


def require_free(bind):
    """Raise OSError if one of the addresses is taken.

    It is checked before anything starts, since MiniStack removes the containers of its own address
    while it starts: they would be those of the sandbox that holds it.
    """
    for each in bind:
        host, port = each.rsplit(":", 1)
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))


def guard(app, addresses):
    """Wrap an ASGI application so that only allowed peers reach it, and no foreign page."""

    async def guarded(scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            peer = (scope.get("client") or ("",))[0]
            why = why_not(scope, addresses, peer)
            if why:
                logger.warning("refused a request from %s: %s", peer, why)
                await refuse(scope, send, why)
                return
        await app(scope, receive, send)

    return guarded


def why_not(scope, addresses, peer):
    """Why a request is not served, or None."""
    if not addresses.allows(peer):
        return "the sandbox answers only this machine and its containers"
    hosts = values(scope, b"host")
    if len(hosts) != 1 or not addresses.serves(hosts[0]):
        return f"{', '.join(hosts) or 'nothing'} is no name of the sandbox"
    # No SDK sends either; a browser always says where a page's request comes from.
    if any(each not in ("none", "same-origin") for each in values(scope, b"sec-fetch-site")):
        return "it was sent for a page of another site"
    if any(urlsplit(each).hostname not in OWN_ORIGINS for each in values(scope, b"origin")):
        return "it was sent for a page of another site"
    return None


def values(scope, header):
    found = scope.get("headers", [])
    return [value.decode("latin-1") for name, value in found if name.lower() == header]


async def refuse(scope, send, why):
    if scope["type"] == "websocket":
        await refusals.send_close(send)
    else:
        await refusals.send_text(send, 403, f"{why}\n")
