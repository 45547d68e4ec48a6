"""Keys of S3 with an empty part (`a//b`, `/a`): S3 has them, Arrow refuses to name them, and boto3 reads them.

Only such keys come here. Credentials and endpoint are those of the AWS_* variables, as for all else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def unknown_to_arrow(uri: str) -> bool:
    """Whether this s3:// address can only be read from here."""
    return "//" in uri.removeprefix("s3://")


def read(uri: str) -> bytes:
    """The object. Errors: FileNotFoundError, PermissionError, OSError."""
    return _asked(uri, lambda client, where: client.get_object(**where)["Body"].read())  # type: ignore[no-any-return]


def look(uri: str) -> tuple[int, datetime]:
    """Bytes and time of the object. Errors: as `read`."""
    head = _asked(uri, lambda client, where: client.head_object(**where))
    return head["ContentLength"], head["LastModified"]


def _asked(uri: str, question: Callable[[Any, dict[str, str]], T]) -> T:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        return question(_client(region, endpoint), {"Bucket": bucket, "Key": key})
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        kind = {404: FileNotFoundError, 403: PermissionError}.get(status, OSError)
        raise kind(f"{uri}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{uri}: {error}") from error


@cache
def _client(region: str, endpoint: str | None) -> Any:
    """Made once: that takes 0.2 s, and threads may share it."""
    import boto3
    from botocore.config import Config

    limits = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
    return boto3.session.Session().client("s3", region_name=region, endpoint_url=endpoint, config=limits)
