"""What follows a body is a checksum, and no other header.

Gap: MiniStack takes whatever follows a chunked body for a header of the call, and looks for the
service, the call and the object to copy only after that. A call that was signed and judged as
PutObject, with `x-amz-target` behind its body, ran any call of the control plane.

AWS: S3 takes the checksum that x-amz-trailer announced.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

Here: checksums are taken, and all else is dropped.

Instead of: `app._decode_aws_chunked_body`.
"""

from .hooks import replaces

CHECKSUM = "x-amz-checksum-"


@replaces("ministack.app", "_decode_aws_chunked_body")
def decode_aws_chunked_body(body, headers):
    before = set(headers)
    decoded = decode_aws_chunked_body.stock(body, headers)
    for name in set(headers) - before:
        if not name.startswith(CHECKSUM):
            del headers[name]
    return decoded
