"""An ECR that Docker can push to and pull from under the name that ECR itself tells.

Gap: MiniStack serves the registry protocol on its own port, but names its repositories
ACCOUNT.dkr.ecr.REGION.amazonaws.com, a host that does not exist here. It takes a manifest whose
layers were never pushed and a tag that is immutable if the image is the same, answers an absent tag
with an empty list, and gives the length of the manifest as the size of the image. An image that
PutImage made cannot be pulled by its digest.

AWS: DescribeImages of an absent tag is ImageNotFoundException. A push of a manifest is refused with
"Layers with digests '[...]' required for pushing image into repository ... do not exist" or
"Images with digests '[...]' required ..."; of an immutable tag always, see moby/buildkit#3776.

Here: repositoryUri and proxyEndpoint name localhost and our port, which Docker trusts without TLS,
so Terraform's aws_ecr_repository, a push and the pull of a task fit together unchanged.

Instead of: `ecr._repo_uri`, `ecr._repo_shape`, `ecr._get_authorization_token`,
`ecr._describe_images`, `ecr._put_image`, `ecr._v2_put_manifest`, `ecr._ensure_repo_exists`.
"""

import json

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from . import keys, settings
from .hooks import replaces, uses

uses(
    "ministack.services.ecr",
    "_repositories",
    "_images",
    "_layer_blobs",
    "_manifest_blobs",
    "_find_image",
    "_registry_error",
    "_content_digest",
)


@replaces("ministack.services.ecr", "_repo_uri")
def repo_uri(name):
    return f"{settings.registry_host()}/{name}"


@replaces("ministack.services.ecr", "_repo_shape")
def repo_shape(repo):
    # A repository that was restored from an earlier run may have been made under another port.
    return {**repo_shape.stock(repo), "repositoryUri": repo_uri(repo["repositoryName"])}


@replaces("ministack.services.ecr", "_get_authorization_token")
def get_authorization_token(data):
    status, headers, body = get_authorization_token.stock(data)
    answer = json.loads(body)
    for each in answer["authorizationData"]:
        each["authorizationToken"] = keys.get().registry_token()
        each["proxyEndpoint"] = f"http://{settings.registry_host()}"
    return json_response(answer, status)


@replaces("ministack.services.ecr", "_describe_images")
def describe_images(data):
    name = data.get("repositoryName", "")
    if name not in ecr._repositories:
        return error_response_json(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in "
            f"the registry with id '{get_account_id()}'",
            400,
        )
    images = list(ecr._images.get(name, []))
    if data.get("imageIds"):
        images = []
        for image_id in data["imageIds"]:
            image = ecr._find_image(name, image_id)
            if image is None:
                return image_not_found(name, image_id)
            if image not in images:
                images.append(image)
    wanted = (data.get("filter") or {}).get("tagStatus", "ANY")
    if wanted != "ANY":
        images = [each for each in images if bool(each.get("imageTags")) == (wanted == "TAGGED")]
    start = int(data.get("nextToken") or 0)
    end = start + int(data.get("maxResults") or 100)
    answer = {"imageDetails": [details(name, image) for image in images[start:end]]}
    if end < len(images):
        answer["nextToken"] = str(end)
    return json_response(answer)


def image_not_found(name, image_id):
    digest = image_id.get("imageDigest", "null")
    tag = image_id.get("imageTag", "null")
    return error_response_json(
        "ImageNotFoundException",
        f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist "
        f"within the repository with name '{name}' in the registry with id '{get_account_id()}'",
        400,
    )


def details(name, image):
    manifest = parse(image.get("imageManifest", "{}")) or {}
    media_type = image.get("imageManifestMediaType")
    shown = {
        "registryId": get_account_id(),
        "repositoryName": name,
        "imageDigest": image["imageDigest"],
        "imageSizeInBytes": size(name, manifest),
        "imagePushedAt": image["imagePushedAt"],
        "imageManifestMediaType": media_type,
        "artifactMediaType": (manifest.get("config") or {}).get("mediaType", media_type),
    }
    if image.get("imageTags"):
        shown["imageTags"] = list(image["imageTags"])
    return shown


def size(name, manifest):
    """The compressed layers of an image, or those of the largest image of an index."""
    children = [
        parse(ecr._manifest_blobs.get(name, {}).get(each.get("digest"), b"{}")) or {}
        for each in manifest.get("manifests", [])
    ]
    if children:
        return max(size(name, child) for child in children)
    return sum(layer.get("size", 0) for layer in manifest.get("layers", []))


def parse(manifest):
    try:
        value = json.loads(manifest)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@replaces("ministack.services.ecr", "_put_image")
def put_image(data):
    answer = put_image.stock(data)
    if answer[0] == 200:
        manifest = data["imageManifest"].encode()
        blobs = ecr._manifest_blobs.setdefault(data["repositoryName"], {})
        blobs[ecr._content_digest(manifest)] = manifest
    return answer


@replaces("ministack.services.ecr", "_ensure_repo_exists")
def ensure_repo_exists(name):
    if name in ecr._repositories:
        return None
    return ecr._registry_error(
        404,
        "NAME_UNKNOWN",
        f"The repository with name '{name}' does not exist in the registry "
        f"with id '{get_account_id()}'",
        {"name": name},
    )


@replaces("ministack.services.ecr", "_v2_put_manifest")
def v2_put_manifest(name, ref, headers, body):
    error = ensure_repo_exists(name) or manifest_error(name, ref, body)
    return error or v2_put_manifest.stock(name, ref, headers, body)


def manifest_error(name, ref, body):
    manifest = parse(body or b"")
    if manifest is None:
        return ecr._registry_error(400, "MANIFEST_INVALID", "Invalid image manifest provided", {})
    if ref.startswith("sha256:") and ref != ecr._content_digest(body):
        return ecr._registry_error(
            400,
            "MANIFEST_INVALID",
            f"The image with digest '{ref}' in repository '{name}' and registry ID "
            f"'{get_account_id()}' does not match the image digest that Amazon ECR has "
            "calculated.",
            {},
        )
    mutability = ecr._repositories[name].get("imageTagMutability", "MUTABLE")
    if mutability == "IMMUTABLE" and ecr._find_image(name, {"imageTag": ref}):
        return ecr._registry_error(
            400,
            "TAG_INVALID",
            f"The image tag '{ref}' already exists in the '{name}' repository and cannot be "
            "overwritten because the repository is immutable.",
            {"tag": ref},
        )
    return missing_parts(name, manifest)


def missing_parts(name, manifest):
    """The error for layers or images that the manifest names and nobody pushed."""
    parts = [manifest.get("config") or {}] + manifest.get("layers", [])
    layers = ecr._layer_blobs.get(name, {})
    images = ecr._manifest_blobs.get(name, {})
    # A layer with addresses of its own is fetched from there and never pushed.
    missing = [
        part["digest"]
        for part in parts
        if part.get("digest") and not part.get("urls") and part["digest"] not in layers
    ]
    kind, code = "Layers", "MANIFEST_BLOB_UNKNOWN"
    if not missing:
        missing = [
            each.get("digest")
            for each in manifest.get("manifests", [])
            if each.get("digest") not in images
        ]
        kind, code = "Images", "MANIFEST_UNKNOWN"
    if not missing:
        return None
    return ecr._registry_error(
        404,
        code,
        f"{kind} with digests '[{', '.join(map(str, missing))}]' required for pushing "
        f"image into repository with name '{name}' in the registry with id '{get_account_id()}' "
        "do not exist",
        {},
    )
