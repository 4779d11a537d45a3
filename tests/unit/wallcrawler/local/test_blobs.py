"""What only a directory can do wrong: names that lead out of it, and URLs that it has to check by itself."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallcrawler.errors import NotFound
from wallcrawler.local.blobs import DirectoryBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    (tmp_path / "secret").write_text("outside")
    return DirectoryBlobs(tmp_path / "blobs", base_url="http://api:8080/", secret=b"secret of this test")


OUT = ["", ".", "..", "../secret", "a/../../secret", "a/..", "/", "/etc/passwd", "//etc/passwd", ".half-x", "a/.half-x"]


@pytest.mark.parametrize("name", OUT)
def test_a_name_that_leads_out_is_refused(blobs: DirectoryBlobs, tmp_path: Path, name: str) -> None:
    """By every method, before anything is touched."""
    acts = (
        lambda: blobs.put(name, io.BytesIO(b"x")),
        lambda: blobs.open(name),
        lambda: blobs.delete(name),
        lambda: blobs.url(name, method="GET", seconds=60),
    )

    for act in acts:
        with pytest.raises(ValueError, match="not a blob's name"):
            act()

    assert (tmp_path / "secret").read_text() == "outside"
    assert list((tmp_path / "blobs").iterdir()) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.sampled_from("ab./\\\x00~ %"), max_size=12))
def test_no_name_leads_out(blobs: DirectoryBlobs, tmp_path: Path, name: str) -> None:
    """Whatever it is made of: it is refused, or it is a file inside."""
    try:
        blobs.put(name, io.BytesIO(b"x"))
    except (ValueError, OSError):
        return

    assert (tmp_path / "secret").read_text() == "outside"
    written = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert all(path.resolve().is_relative_to((tmp_path / "blobs").resolve()) for path in written)
    blobs.delete(name)


def test_the_files_are_for_their_owner(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    """Profiles hold logins."""
    blobs.put("contexts/a", io.BytesIO(b"x"))

    for path in [tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_a_half_written_file_of_a_dead_process_is_no_blob(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    """Neither in lists nor by name."""
    (tmp_path / "blobs" / ".half-abc").write_text("half")

    assert list(blobs.names("")) == []
    with pytest.raises(ValueError, match="not a blob's name"):
        blobs.open(".half-abc")


def signed(blobs: DirectoryBlobs, name: str, *, method: str = "GET", seconds: float = 60) -> dict[str, str]:
    query = parse_qs(urlsplit(blobs.url(name, method=method, seconds=seconds)).query)
    return {parameter: values[0] for parameter, values in query.items()}


def test_a_signature_is_for_one_name_one_method_and_its_time(blobs: DirectoryBlobs) -> None:
    """And for who has the same secret."""
    good = signed(blobs, "a")

    assert blobs.admits("a", method="GET", **good)
    assert not blobs.admits("b", method="GET", **good)
    assert not blobs.admits("a", method="PUT", **good)
    assert not blobs.admits("a", method="GET", **good | {"expires": str(int(good["expires"]) + 1)})
    assert not blobs.admits("a", method="GET", **signed(blobs, "a", seconds=-2))


def test_other_secrets_sign_otherwise(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    """Two homes do not open each other's blobs."""
    other = DirectoryBlobs(tmp_path / "other", base_url="http://api", secret=b"another")

    assert not other.admits("a", method="GET", **signed(blobs, "a"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expires=st.text(max_size=20) | st.sampled_from(["²", "٣", "9" * 5000]), signature=st.text(max_size=70))
def test_whatever_a_stranger_sends_is_not_admitted(blobs: DirectoryBlobs, expires: str, signature: str) -> None:
    """And breaks nothing."""
    assert not blobs.admits("a", method="GET", expires=expires, signature=signature)
    assert not blobs.admits("a", method="GET", expires=signed(blobs, "a")["expires"], signature=signature)


def test_a_url_leads_to_the_api(blobs: DirectoryBlobs) -> None:
    """With its name quoted as a path."""
    url = urlsplit(blobs.url("contexts/ä b?#", method="PUT", seconds=60))

    assert (url.scheme, url.netloc) == ("http", "api:8080")
    assert unquote(url.path) == "/blobs/contexts/ä b?#"
    assert url.query.startswith("expires=")


def test_a_blob_that_is_not_there_is_named(blobs: DirectoryBlobs) -> None:
    """So that a log line says which."""
    with pytest.raises(NotFound, match="no blob contexts/a"):
        blobs.open("contexts/a")
