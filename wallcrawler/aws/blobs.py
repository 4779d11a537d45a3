"""Blobs in an S3 bucket. Its URLs are S3's own, signed with our credentials, and die with those at the latest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Final, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from wallcrawler.aws.errors import code_of, translated
from wallcrawler.errors import Conflict, NotFound

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

#: Bytes up to which a body is sent whole, and of each part of a longer one.
PART: Final = 8 << 20
#: Parts of one body that are under way, and in memory, at once.
PARTS: Final = 4
#: Bytes that are read ahead.
CHUNK: Final = 1 << 16

#: S3's calls by the method of a URL.
CALLS: Final = {"GET": "get_object", "PUT": "put_object"}


class S3Blobs:
    """The Blobs port on a bucket; `prefix` stands before every name."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=PARTS)

    def put(self, name: str, body: IO[bytes], *, once: bool = False) -> str:
        """S3 puts the parts of a long body together at the very end; of one that broke off it keeps nothing."""
        hashed: Any = _Hashed(body)
        # Asked just before, because long bodies can't be put on condition; who has a URL is held to it by S3.
        if once and self._size(name) is not None:
            raise Conflict(0, "there is such a blob already")
        with translated("S3"):
            self._client.upload_fileobj(hashed, self._bucket, self._key(name), Config=self._transfer)
        return str(hashed.digest.hexdigest())

    def size(self, name: str) -> int:
        size = self._size(name)
        if size is None:
            raise NotFound(f"there is no blob {name}")
        return size

    def _size(self, name: str) -> int | None:
        with translated("S3"):
            try:
                return int(self._client.head_object(Bucket=self._bucket, Key=self._key(name))["ContentLength"])
            except ClientError as failed:
                if code_of(failed) in {"NoSuchKey", "NotFound", "404"}:
                    return None
                raise

    def open(self, name: str) -> IO[bytes]:
        with translated("S3"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
            except ClientError as failed:
                if code_of(failed) in {"NoSuchKey", "404"}:
                    raise NotFound(f"there is no blob {name}") from None
                raise
        return cast("IO[bytes]", io.BufferedReader(_Body(answer["Body"]), CHUNK))

    def delete(self, name: str) -> None:
        with translated("S3"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with translated("S3"):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix)

    def url(self, name: str, *, method: str, seconds: float, once: bool = False) -> str:
        """Raises ValueError for a method that is neither GET nor PUT."""
        if method not in CALLS:
            raise ValueError(f"there are URLs for {' and '.join(CALLS)}, and none for {method}")
        only = {"IfNoneMatch": "*"} if once else {}
        with translated("S3"):
            return self._client.generate_presigned_url(
                CALLS[method],
                Params={"Bucket": self._bucket, "Key": self._key(name), **only},
                ExpiresIn=max(1, int(seconds)),
            )

    def _key(self, name: str) -> str:
        """Raises ValueError for a name that something on the way could take for another one."""
        if not name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise ValueError(f"not a blob's name: {name!r}")
        return self._prefix + name


class _Hashed:
    """A body that is hashed as it is read, which is once and from the beginning to the end."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._body.read(size)
        self.digest.update(chunk)
        return chunk


class _Body(io.RawIOBase):
    """What S3 answers with, as a file whose errors are ours."""

    def __init__(self, body: StreamingBody) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with translated("S3"):
            chunk = self._body.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()
