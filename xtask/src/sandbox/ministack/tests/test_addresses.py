"""This machine and its containers reach the sandbox, nobody else does."""

import asyncio
import ipaddress
import socket
import types
import unittest
import urllib.request

from sandbox_extension import addresses

from .sandbox import shared


class Guard(unittest.TestCase):
    def setUp(self):
        network = {"IPAM": {"Config": [{"Gateway": "127.0.0.1", "Subnet": "172.17.0.0/16"}]}}
        client = types.SimpleNamespace(
            networks=types.SimpleNamespace(get=lambda _name: types.SimpleNamespace(attrs=network))
        )
        self.addresses = addresses.Addresses(client)

    def status(self, peer, headers=((b"host", b"localhost:4600"),)):
        sent = []

        async def app(_scope, _receive, send):
            await send({"type": "http.response.start", "status": 200})

        async def send(message):
            sent.append(message)

        asyncio.run(
            addresses.guard(app, self.addresses)(
                {"type": "http", "client": (peer, 1), "headers": headers}, None, send
            )
        )
        return sent[0]["status"]

    def test_this_machine_and_containers_are_let_in(self):
        for peer in ("127.0.0.1", "172.17.0.9"):
            self.assertEqual(self.status(peer), 200, peer)

    def test_others_are_refused(self):
        for peer in ("203.0.113.9", "172.18.0.9", "", "nonsense"):
            self.assertEqual(self.status(peer), 403, peer)

    def test_a_page_of_another_machine_is_refused(self):
        host = (b"host", b"localhost:4600")
        for name, value, status in (
            (b"origin", b"https://example.com", 403),
            (b"origin", b"null", 403),
            (b"origin", b"http://localhost.example.com", 403),
            (b"origin", b"http://localhost:3000", 200),
            (b"sec-fetch-site", b"cross-site", 403),
            (b"sec-fetch-site", b"same-site", 403),
            (b"sec-fetch-site", b"none", 200),
        ):
            self.assertEqual(self.status("127.0.0.1", [host, (name, value)]), status, value)

    def test_a_name_that_is_not_the_sandboxs_is_refused(self):
        for host, status in (
            (b"127.0.0.1:4600", 200),
            (b"[::1]:4600", 200),
            (b"LOCALHOST", 200),
            (b"host.docker.internal:4600", 200),
            (b"bucket.localhost:4600", 200),
            (b"evil.com", 403),
            (b"127.0.0.1.evil.com", 403),
            (b"evil.com@127.0.0.1", 403),
            (b"127.0.0.1@evil.com", 403),
            (b"notlocalhost", 403),
            (b"[", 403),
            (b"", 403),
        ):
            self.assertEqual(self.status("127.0.0.1", [(b"host", host)]), status, host)
        self.assertEqual(self.status("127.0.0.1", []), 403)
        twice = [(b"host", b"localhost"), (b"host", b"evil.com")]
        self.assertEqual(self.status("127.0.0.1", twice), 403)

    def test_a_gateway_that_is_not_here_is_not_listened_on(self):
        network = {"IPAM": {"Config": [{"Gateway": "203.0.113.1", "Subnet": "203.0.113.0/24"}]}}
        client = types.SimpleNamespace(
            networks=types.SimpleNamespace(get=lambda _name: types.SimpleNamespace(attrs=network))
        )
        listening = addresses.Addresses(client).bind(4600)
        self.assertEqual([each for each in listening if "::" not in each], ["127.0.0.1:4600"])

    def test_a_missing_gateway_is_read_from_the_interface(self):
        self.assertEqual(addresses.interface_address("lo"), "127.0.0.1")
        self.assertIsNone(addresses.interface_address("none-such"))


class Reachable(unittest.TestCase):
    def test_a_container_reaches_it_under_the_address_that_it_is_given(self):
        ecs = shared()
        task = ecs.run(ecs.define(), ["fetch"])
        ecs.wait(task)
        self.assertEqual(ecs.lines(task), ["HTTP/1.1 200 OK"])

    def test_it_listens_on_this_machine_and_the_bridge_alone(self):
        port = shared().sandbox.port
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health")
        # Docker looks for localhost there first, and tells whoever listens the registry's password.
        if addresses.is_local("::1"):
            urllib.request.urlopen(f"http://[::1]:{port}/_ministack/health")
        own = own_address()
        if ipaddress.ip_address(own).is_loopback:
            self.fail("this machine has no address of its own, which this test needs")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((own, port), timeout=2).close()

    def test_a_localhost_that_somebody_else_has_is_no_place_to_start(self):
        for family, host, shown in (
            (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
            (socket.AF_INET6, "::1", "[::1]"),
        ):
            if addresses.is_local(host):
                with self.subTest(host), socket.socket(family) as other:
                    other.bind((host, 0))
                    other.listen()
                    with self.assertRaises(OSError):
                        addresses.require_free([f"{shown}:{other.getsockname()[1]}"])


def own_address():
    """The address by which this machine would reach another one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.9", 9))
        return probe.getsockname()[0]
