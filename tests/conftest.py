"""What tests in several rooms need."""

import uuid
from collections.abc import Iterator

import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture
def s3_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of an empty bucket on an S3 server of this machine, to which the AWS_* variables point.

    The servers of one process share what they hold, so each test has a bucket of its own.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY_ID", "testing"), ("SECRET_ACCESS_KEY", "testing")):
        monkeypatch.setenv(f"AWS_{name}", value)
    name = f"bucket-{uuid.uuid4().hex}"
    pafs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True).create_dir(name)
    yield name
    server.stop()
