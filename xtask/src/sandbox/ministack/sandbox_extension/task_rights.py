"""What the key of tasks may do: work with data, and nothing that starts, changes or deploys.

A container under test is the one program in a sandbox that nobody has read yet. On AWS its role
says what it may do. Here all tasks share one key, and this list is what a task's role usually
allows: objects of buckets, messages, parameters and secrets, log events. Whatever could start a
container, change a role or a definition, or touch Terraform's state is refused, and so is whatever
is not known: the lists say what is allowed.

MiniStack finds the service of a call by its target, its signature, its host or its path, whichever
fits first. A call by the tasks' key must therefore be of a form that is read in one way alone.
"""

import re
from urllib.parse import parse_qs, unquote

JSON_CALLS = {
    "Logs_20140328": {
        "CreateLogStream",
        "DescribeLogGroups",
        "DescribeLogStreams",
        "FilterLogEvents",
        "GetLogEvents",
        "PutLogEvents",
    },
    "AmazonSSM": {"GetParameter", "GetParameters", "GetParametersByPath"},
    "secretsmanager": {"BatchGetSecretValue", "DescribeSecret", "GetSecretValue"},
    "AWSEvents": {"PutEvents"},
    "AmazonSQS": {
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "DeleteMessageBatch",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
    },
    "DynamoDB_20120810": {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "DescribeTable",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    },
    "Kinesis_20131202": {
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "ListShards",
        "PutRecord",
        "PutRecords",
    },
    "Firehose_20150804": {"PutRecord", "PutRecordBatch"},
    "GraniteServiceVersion20100801": {"GetMetricData", "PutMetricData"},
    "TrentService": {"Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"},
}
# Of the protocol with forms; the service is that of the signature.
FORM_CALLS = {
    "sts": {"GetCallerIdentity"},
    "sns": {"Publish", "PublishBatch"},
    "monitoring": {"GetMetricData", "PutMetricData"},
    "sqs": JSON_CALLS["AmazonSQS"],
}
OBJECT_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
# Of a bucket itself: its list of objects, and the deletion of many at once.
BUCKET_READS = ("GET", "HEAD")
FORM = "application/x-www-form-urlencoded"


def refusal(request, service, is_protected):
    """Why the tasks' key may not do this, or None. `is_protected` knows the buckets of no data."""
    if request.header("x-amz-target"):
        return _of_json(request)
    if service == "s3":
        return _of_s3(request, is_protected)
    return _of_form(request, service)


def _of_json(request):
    target = request.header("x-amz-target")
    prefix, _, operation = target.rpartition(".")
    is_json = request.header("content-type").startswith("application/x-amz-json")
    if request.method == "POST" and request.path == "/" and not request.query and is_json:
        if operation in JSON_CALLS.get(prefix, ()):
            return None
    return target


def _of_form(request, service):
    try:
        form = parse_qs(request.body.decode(), keep_blank_values=True)
    except ValueError:
        form = {}
    actions = form.get("Action", [])
    is_form = request.header("content-type").startswith(FORM) and not is_encoded(request)
    if request.method == "POST" and request.path == "/" and not request.query and is_form:
        if len(actions) == 1 and actions[0] in FORM_CALLS.get(service, ()):
            return None
    return f"{service}:{actions[0] if actions else f'{request.method} {request.path}'}"


def is_encoded(request):
    """Whether the body that MiniStack unpacks is another one than was sent."""
    streamed = request.header("x-amz-content-sha256").startswith("STREAMING")
    return streamed or any(
        request.header(name) for name in ("content-encoding", "x-amz-decoded-content-length")
    )


def copied_from(request):
    """The buckets of the objects to copy: the header names them, or the query in its place."""
    values = [request.header("x-amz-copy-source")]
    for name, named in request.query.items():
        if name.lower() == "x-amz-copy-source":
            values += named
    return [unquote(unquote(value)).lstrip("/").partition("/")[0] for value in values]


def _of_s3(request, is_protected):
    bucket, _, key = request.path.lstrip("/").partition("/")
    called = f"s3:{request.method} {bucket or '/'}"
    for name in filter(None, (bucket, *copied_from(request))):
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) or is_protected(name):
            return called
    if key and request.method in OBJECT_METHODS:
        return None
    if bucket and not key:
        if request.method in BUCKET_READS:
            return None
        if request.method == "POST" and [*request.query] == ["delete"]:
            return None
    return called
