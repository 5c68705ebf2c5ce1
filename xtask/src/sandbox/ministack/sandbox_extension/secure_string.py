"""A SecureString parameter reaches the container decrypted.

Gap: MiniStack hands over what it stores, "ENCRYPTED:<base64>".

AWS: `secrets` of a container definition are read with decryption.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html

Instead of: `ecs._resolve_container_secrets`, for references to the Parameter Store alone.
"""

from ministack.services import ecs

from .hooks import replaces, uses

uses("ministack.services.ecs", "_SecretResolutionError")
uses("ministack.services.ssm", "resolve_parameter_value")


@replaces("ministack.services.ecs", "_resolve_container_secrets")
def resolve_container_secrets(cdef):
    from ministack.services import ssm

    secrets = cdef.get("secrets", [])
    others = [each for each in secrets if "secretsmanager" in each.get("valueFrom", "")]
    resolved = resolve_container_secrets.stock({**cdef, "secrets": others})
    for secret in secrets:
        name, value_from = secret.get("name"), secret.get("valueFrom", "")
        if secret in others or not name or not value_from:
            continue
        value = ssm.resolve_parameter_value(value_from, decrypt=True)
        if value is None:
            raise ecs._SecretResolutionError(
                f"unable to retrieve secret {value_from} for environment variable {name}"
            )
        resolved[name] = str(value)
    return resolved
