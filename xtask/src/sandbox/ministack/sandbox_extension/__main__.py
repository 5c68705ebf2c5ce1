"""Start MiniStack with every capability of this package, in the foreground, until SIGTERM."""

import asyncio
import logging
import os
import signal
import sys

from . import docker_engine, engine, hooks, keys, settings


def main():
    # One stream keeps what Hypercorn, MiniStack and we report in the order in which it happened.
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    sys.stdout.reconfigure(line_buffering=True)
    settings.prepare()
    if engine.kind() == engine.DOCKER:
        docker_engine.prepare()

    from . import capabilities, leftovers

    lock = leftovers.lock_state_dir()
    keys.get()
    engine.prepare()
    try:
        hooks.install()
    except hooks.HookError as error:
        sys.exit(f"error: this MiniStack cannot be extended\n{error}")
    capabilities.start()
    try:
        asyncio.run(serve())
    except OSError as error:
        sys.exit(f"error: cannot serve on port {settings.port()}: {error}")
    finally:
        engine.close()
        leftovers.remove_pulled_images()
        lock.close()


async def serve():
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack import app as ministack
    from ministack.services import ecs

    from . import addresses, attempts, gate, github

    docker_client = ecs._get_docker() if engine.kind() == engine.DOCKER else None
    who = addresses.Addresses(docker_client, settings.registry_host())
    config = Config()
    config.bind = who.bind(settings.port())
    addresses.require_free(config.bind)
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = ministack.LOG_LEVEL
    config.errorlog = logging.getLogger("hypercorn.error")

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logging.getLogger("sandbox").info("listening on %s", ", ".join(config.bind))
    inside = attempts.logged(github.beside(ministack.app))
    application = addresses.guard(gate.guard(inside), who)
    await hypercorn_serve(application, config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    main()
