"""ECR and the registry protocol are one thing, and neither takes half an image."""

import hashlib
import json
import unittest
import urllib.error
import urllib.request

from .sandbox import about, shared


class Registry(unittest.TestCase):
    def setUp(self):
        self.ecs = shared()
        self.ecr = self.ecs.ecr
        self.port = self.ecs.sandbox.port

    def put(self, reference, manifest, repository="api"):
        request = urllib.request.Request(
            f"{self.ecs.sandbox.url}/v2/{repository}/manifests/{reference}",
            data=json.dumps(manifest).encode(),
            method="PUT",
            headers={
                "Content-Type": "application/vnd.oci.image.manifest.v1+json",
                **self.ecs.sandbox.login(),
            },
        )
        try:
            return urllib.request.urlopen(request).status, ""
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["errors"][0]["message"]

    def blob(self, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        request = urllib.request.Request(
            f"{self.ecs.sandbox.url}/v2/api/blobs/uploads/?digest={digest}",
            data=content,
            method="POST",
            headers={"Content-Type": "application/octet-stream", **self.ecs.sandbox.login()},
        )
        urllib.request.urlopen(request)
        return {"digest": digest, "size": len(content)}

    @about("docker")
    def test_its_names_are_the_ones_that_docker_uses(self):
        repository = self.ecr.describe_repositories(repositoryNames=["api"])["repositories"][0]
        self.assertEqual(repository["repositoryUri"], f"localhost:{self.port}/api")
        token = self.ecr.get_authorization_token()["authorizationData"][0]
        self.assertEqual(token["proxyEndpoint"], f"http://localhost:{self.port}")
        self.assertEqual(
            f"Basic {token['authorizationToken']}", self.ecs.sandbox.login()["Authorization"]
        )
        self.ecs.sandbox.docker("pull", f"{repository['repositoryUri']}:v1")

    def test_an_absent_tag(self):
        with self.assertRaises(self.ecr.exceptions.ImageNotFoundException) as caught:
            self.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "zz"}])
        self.assertEqual(
            caught.exception.response["Error"]["Message"],
            "The image with imageId {imageDigest:'null', imageTag:'zz'} does not exist within the "
            "repository with name 'api' in the registry with id '000000000000'",
        )
        with self.assertRaises(self.ecr.exceptions.RepositoryNotFoundException):
            self.ecr.describe_images(repositoryName="absent")

    def test_size_and_pages(self):
        self.ecs.sandbox.push(tag="large", extra=bytes(range(256)) * 4096)
        details = self.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "large"}])[
            "imageDetails"
        ][0]
        manifest = json.loads(
            self.ecr.batch_get_image(repositoryName="api", imageIds=[{"imageTag": "large"}])[
                "images"
            ][0]["imageManifest"]
        )
        self.assertEqual(
            details["imageSizeInBytes"], sum(layer["size"] for layer in manifest["layers"])
        )
        pages = list(
            self.ecr.get_paginator("describe_images").paginate(
                repositoryName="api", PaginationConfig={"PageSize": 1}
            )
        )
        self.assertGreater(len(pages), 1)
        self.assertTrue(all(len(page["imageDetails"]) == 1 for page in pages))

    def test_a_manifest_without_its_layers(self):
        config, layer = self.blob(b"{}"), {"digest": "sha256:" + "0" * 64, "size": 1}
        status, message = self.put("half", {"config": config, "layers": [layer]})
        self.assertEqual(status, 404)
        self.assertEqual(
            message,
            f"Layers with digests '[{layer['digest']}]' required for pushing "
            "image into repository with name 'api' in the registry with id "
            "'000000000000' do not exist",
        )
        with self.assertRaises(self.ecr.exceptions.ImageNotFoundException):
            self.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "half"}])

    def test_an_index_without_its_images_and_nonsense(self):
        status, message = self.put("index", {"manifests": [{"digest": "sha256:" + "1" * 64}]})
        self.assertEqual((status, message.split(" with")[0]), (404, "Images"))
        self.assertEqual(self.put("list", ["no", "manifest"])[0], 400)
        self.assertEqual(self.put("sha256:" + "2" * 64, {"layers": []})[0], 400)

    def test_an_index_is_as_large_as_its_largest_image(self):
        manifest = {"config": self.blob(b"{}"), "layers": [self.blob(b"x" * 100)]}
        digest = "sha256:" + hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
        self.assertEqual(self.put(digest, manifest)[0], 201)
        self.assertEqual(self.put("many", {"manifests": [{"digest": digest}]})[0], 201)
        details = self.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "many"}])[
            "imageDetails"
        ][0]
        self.assertEqual(details["imageSizeInBytes"], 100)

    def test_what_put_image_made_is_pulled_by_its_digest(self):
        manifest = json.dumps({"schemaVersion": 2, "config": self.blob(b"{}"), "layers": []})
        image = self.ecr.put_image(repositoryName="api", imageManifest=manifest, imageTag="made")
        digest = image["image"]["imageId"]["imageDigest"]
        url = f"{self.ecs.sandbox.url}/v2/api/manifests/{digest}"
        request = urllib.request.Request(url, headers=self.ecs.sandbox.login())
        self.assertEqual(urllib.request.urlopen(request).read().decode(), manifest)

    @about("docker")
    def test_an_immutable_tag(self):
        self.ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
        image = self.ecs.sandbox.push(repository="fixed")
        with self.assertRaisesRegex(
            AssertionError,
            "already exists in the 'fixed' repository and "
            "cannot be overwritten because the repository is immutable",
        ):
            self.ecs.sandbox.docker("push", image)

    def test_an_absent_repository(self):
        status, message = self.put("v1", {"layers": []}, repository="absent")
        self.assertEqual(
            (status, message),
            (
                404,
                "The repository with name 'absent' does not "
                "exist in the registry with id '000000000000'",
            ),
        )
