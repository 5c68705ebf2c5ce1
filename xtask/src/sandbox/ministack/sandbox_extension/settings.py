"""What the environment says, read once before MiniStack is imported.

MiniStack reads its own settings from the environment while it is imported, so `prepare()` runs
first and fills in what the sandbox needs.
"""

import os
import sys


def prepare():
    """Set MiniStack's environment variables; whoever started us may have set them already."""
    if "GATEWAY_PORT" not in os.environ:
        sys.exit("error: GATEWAY_PORT is not set; it names the port of the sandbox")
    if "SANDBOX_STATE_DIR" not in os.environ:
        sys.exit("error: SANDBOX_STATE_DIR is not set; it names the folder of this sandbox")
    # The MQTT and SFTP listeners have ports of their own, which two sandboxes would fight for.
    os.environ.setdefault("IOT_MTLS_ENABLED", "0")
    os.environ.setdefault("SFTP_ENABLED", "0")
    # MiniStack's ten seconds are short for a busy machine that creates many containers at once.
    os.environ.setdefault("MINISTACK_DOCKER_TIMEOUT", "60")


def port():
    return int(os.environ["GATEWAY_PORT"])


def state_dir():
    return os.path.abspath(os.environ["SANDBOX_STATE_DIR"])


def registry_host():
    """The address under which Docker reaches our registry.

    Docker speaks plain HTTP to a registry on localhost without being told to. `SANDBOX_REGISTRY`
    names another address, for an engine whose localhost is not this machine's.
    """
    return os.environ.get("SANDBOX_REGISTRY") or f"localhost:{port()}"


def workflows():
    """The workflow files that the GitHub stand-in knows."""
    names = os.environ.get("SANDBOX_WORKFLOWS", "api-auto-deploy.yml,api-deploy.yml")
    return [name.strip() for name in names.split(",") if name.strip()]


def control_buckets():
    """The buckets of the control plane, which tasks neither read nor write."""
    return [name for name in os.environ.get("SANDBOX_CONTROL_BUCKETS", "").split(",") if name]
