"""Models: found, checked and fetched, from a real server on this machine that does all that servers do."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.estimator import fetch as module
from models.estimator.fetch import (
    BUNDLED_MODEL,
    DEFAULT_MODEL,
    POSENET_DAMAGED_NOTE,
    POSENET_MISSING_NOTE,
    FetchError,
    Model,
    ModelNotFoundError,
    catalogue,
    edgetpu_variant,
    fetch_model,
    find_model,
    require_model,
    select_model,
)
from models.estimator.surgery import ModelError

CONTENT = bytes(range(256)) * 1200
NAME = "posenet_of_the_test"
SENTENCE = r"^[^\n]+\.$"


class Server(ThreadingHTTPServer):
    """Answers every request with `content`, after `status`; says that it is `length` long, and counts the requests."""

    def __init__(self) -> None:
        self.content, self.status, self.length, self.requests = CONTENT, 200, len(CONTENT), 0
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{NAME}.tflite"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of fetched models, of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("POSE_MIRROR_MODELS", raising=False)
    return tmp_path / "cache" / "pose-mirror" / "models"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the one model that the catalogue then has."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        digest = hashlib.sha256(CONTENT).hexdigest()
        model = Model(NAME, server.url, digest, len(CONTENT), "Apache-2.0", (353, 481), None, "For a test.")
        monkeypatch.setattr(module, "catalogue", lambda: [model])
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def both(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where a downloaded model would lie, which is not there, and our own, which is; there is no server."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    nowhere = "http://127.0.0.1:1/"
    models = [
        Model(n, url, digest, len(CONTENT), "", (353, 481), None, "")
        for n, url in ((DEFAULT_MODEL, nowhere), (BUNDLED_MODEL, ""))
    ]
    monkeypatch.setattr(module, "catalogue", lambda: models)
    monkeypatch.setattr(module, "WEIGHTS_FOLDER", tmp_path)
    cache.mkdir(parents=True)
    (tmp_path / f"{BUNDLED_MODEL}.tflite").write_bytes(CONTENT)
    return cache / f"{DEFAULT_MODEL}.tflite", tmp_path / f"{BUNDLED_MODEL}.tflite"


def left_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def test_a_model_is_fetched_once_and_then_found(server: Server, cache: Path) -> None:
    told: list[tuple[int, int]] = []
    file = fetch_model(NAME, lambda done, total: told.append((done, total)))
    assert file == cache / f"{NAME}.tflite"
    assert file.read_bytes() == CONTENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert fetch_model(f"{NAME}.tflite") == find_model(NAME) == find_model(f"{NAME}.tflite") == file
    assert server.requests == 1
    assert left_in(cache) == [file.name]


def test_a_model_that_lies_in_the_named_folder_is_not_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{NAME}.tflite"
    file.write_bytes(CONTENT)
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path))
    assert fetch_model(NAME) == find_model(NAME) == file
    assert server.requests == 0


def test_a_model_damaged_in_the_cache_is_fetched_again(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.tflite").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="is damaged"):
        find_model(NAME)
    assert fetch_model(NAME).read_bytes() == CONTENT
    assert find_model(NAME).read_bytes() == CONTENT


def test_a_damaged_model_in_a_folder_of_ones_own_is_named_with_what_it_should_be_and_left_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{NAME}.tflite"
    file.write_bytes(b"something else")
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path))
    for look in (find_model, fetch_model):
        with pytest.raises(ModelError, match=SENTENCE) as caught:
            look(NAME)
        sentence = str(caught.value)
        assert str(file) in sentence
        assert "its 14 bytes have the sha256 " + hashlib.sha256(b"something else").hexdigest()[:16] in sentence
        assert f"should be {len(CONTENT)} bytes with {hashlib.sha256(CONTENT).hexdigest()[:16]}" in sentence
        assert "delete it and run `pose-mirror models fetch" in sentence
    assert file.read_bytes() == b"something else"


@pytest.mark.parametrize(
    ("content", "status", "length", "why"),
    [
        (b"gone", 404, 4, "the server answers 404 Not Found"),
        (b"later", 503, 5, "the server answers 503 Service Unavailable"),
        (CONTENT[:-1] + b"?", 200, len(CONTENT), "what came has the sha256 "),
        (CONTENT[:1000], 200, 1000, f"the connection ended after 1000 of {len(CONTENT)} bytes"),
        (CONTENT[:1000], 200, len(CONTENT), "1000"),
        (CONTENT * 2, 200, 2 * len(CONTENT), f"the server sends more than its {len(CONTENT)} bytes"),
    ],
    ids=["not found", "unavailable", "other bytes", "short", "broken off", "long"],
)
def test_what_a_server_does_wrong_is_said_and_leaves_nothing(
    server: Server, cache: Path, content: bytes, status: int, length: int, why: str
) -> None:
    server.content, server.status, server.length = content, status, length
    with pytest.raises(FetchError, match=SENTENCE) as caught:
        fetch_model(NAME)
    assert why in str(caught.value)
    assert f"put {NAME}.tflite from {server.url} into {cache}" in str(caught.value)
    assert left_in(cache) == []


def test_without_a_network_it_is_said_so(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    model = module.catalogue()[0]._replace(url=nobody)
    monkeypatch.setattr(module, "catalogue", lambda: [model])
    with pytest.raises(FetchError, match=r"the server cannot be reached \(.*refused"):
        fetch_model(NAME)
    assert left_in(cache) == []


def test_a_server_that_falls_silent_is_given_up(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SERVER_TIMEOUT", 0.2)
    silence = threading.Event()
    monkeypatch.setattr(Answer, "do_GET", lambda self: silence.wait(5))
    with pytest.raises(FetchError, match=r"(cannot be reached|was lost) \(timed out\)"):
        fetch_model(NAME)
    silence.set()
    assert left_in(cache) == []


def test_an_interrupted_download_leaves_nothing(server: Server, cache: Path) -> None:
    def interrupted(done: int, total: int) -> None:
        if done > 100_000:
            assert [name.endswith(".part") for name in left_in(cache)] == [True]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_model(NAME, interrupted)
    assert left_in(cache) == []


def test_a_download_that_fails_leaves_the_damaged_model_as_it_was(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.tflite").write_bytes(b"old")
    server.status = 500
    with pytest.raises(FetchError, match="500"):
        fetch_model(NAME)
    assert (cache / f"{NAME}.tflite").read_bytes() == b"old"


def test_a_full_disk_is_said_with_what_is_needed(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchError, match=rf"there is no room for 0\.3 MB in {cache}"):
        fetch_model(NAME)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_made_is_named(server: Server, cache: Path) -> None:
    cache.parents[1].mkdir(parents=True)
    (cache.parent).write_text("a file where a folder should be")
    with pytest.raises(FetchError, match=rf"{cache} cannot be written to \(Not a directory\)"):
        fetch_model(NAME)


def test_a_cache_that_may_not_be_written_to_is_named(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    if os.access(cache, os.W_OK):  # root may everywhere
        cache.chmod(0o700)

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(FetchError, match=rf"{cache} cannot be written to \(Permission denied\)"):
        fetch_model(NAME)
    cache.chmod(0o700)


def test_a_missing_model_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=SENTENCE) as caught:
        find_model(DEFAULT_MODEL)
    assert f"run `pose-mirror models fetch {DEFAULT_MODEL}`" in str(caught.value)
    assert str(cache) in str(caught.value)


def test_a_mistyped_name_gets_the_nearest_ones(cache: Path) -> None:
    typed = DEFAULT_MODEL.replace("353", "352")
    for look in (find_model, fetch_model):
        with pytest.raises(ModelNotFoundError, match=rf"{typed}.*; the catalogue has .*{DEFAULT_MODEL}.*\.$"):
            look(typed)


def test_a_downloaded_model_is_taken_without_a_word(both: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    downloaded, _ = both
    downloaded.write_bytes(CONTENT)
    assert select_model() == (downloaded, None, None)
    assert require_model() == downloaded
    assert caplog.text == ""


def test_without_a_downloaded_model_our_own_is_taken_and_said_to_be(
    both: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    _, own = both
    assert select_model() == (own, POSENET_MISSING_NOTE, None)
    assert require_model() == own
    assert caplog.messages == [POSENET_MISSING_NOTE]


def test_for_a_damaged_download_our_own_stands_in_where_the_mirror_is_to_go_on(
    both: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    downloaded, own = both
    downloaded.write_bytes(CONTENT[:-1])
    model = select_model()
    assert model[:2] == (own, POSENET_DAMAGED_NOTE)
    assert model.fault is not None
    assert model.fault.startswith(f"{downloaded} is damaged")
    model.log_warnings()
    assert caplog.messages == [model.fault, model.note]
    with pytest.raises(ModelError, match="is damaged"):
        require_model()


def test_a_model_asked_for_by_name_is_that_or_none(both: tuple[Path, Path]) -> None:
    downloaded, own = both
    for look in (select_model, require_model):
        with pytest.raises(ModelNotFoundError, match="is not here"):
            look(DEFAULT_MODEL)
    assert select_model(BUNDLED_MODEL) == (own, None, None), "whoever asks for it knows what it is"
    downloaded.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="is damaged"):
        select_model(DEFAULT_MODEL)


def test_our_own_model_is_never_fetched_and_says_what_to_do_when_it_is_damaged_or_gone(
    both: tuple[Path, Path],
) -> None:
    _, own = both
    assert fetch_model(BUNDLED_MODEL) == find_model(BUNDLED_MODEL) == own
    own.write_bytes(b"damaged")
    for look in (find_model, fetch_model, lambda _: select_model()):
        with pytest.raises(ModelError, match=r"is damaged: .*; install Pose Mirror again, or run `.* fetch`\.$"):
            look(BUNDLED_MODEL)
    own.unlink()
    for look in (find_model, fetch_model, lambda _: select_model()):
        with pytest.raises(ModelNotFoundError, match=r"is not in .*: install Pose Mirror again, or run `.* fetch`\.$"):
            look(BUNDLED_MODEL)


def test_our_own_model_is_the_one_that_comes_with_the_program(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{BUNDLED_MODEL}.tflite").write_bytes(b"of another version")
    assert find_model(BUNDLED_MODEL) == both[1]


def test_a_model_of_ones_own_is_taken_as_it_is(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "mine.tflite"
    file.write_bytes(b"whatever")
    assert find_model(str(file)) == file


def test_a_file_with_a_name_of_the_catalogue_is_checked_wherever_it_lies(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / f"{DEFAULT_MODEL}.tflite"
    file.write_bytes(b"whatever")
    with pytest.raises(ModelError, match=rf"^{file} is damaged"):
        find_model(str(file))


def test_the_catalogue_knows_every_posenet_beside_the_project(models_folder: Path) -> None:
    sums = models_folder / "SHA256SUMS"
    if not sums.is_file():
        pytest.skip("SHA256SUMS is not with the models")
    listed = {tuple(line.split()) for line in sums.read_text().splitlines() if "posenet" in line}
    fetched = [model for model in catalogue() if model.url]
    assert {(model.sha256, model.file_name) for model in fetched} == listed
    for model in fetched:
        assert (models_folder / model.file_name).stat().st_size == model.bytes


def test_the_catalogue_holds_together() -> None:
    names = [model.name for model in catalogue()]
    assert DEFAULT_MODEL in names
    assert [model.name for model in catalogue() if not model.url] == [BUNDLED_MODEL]
    for model in catalogue():
        assert model.licence == "Apache-2.0"
        assert model.about.endswith(".")
        if not model.url:
            continue
        assert model.url.startswith("https://github.com/google-coral/project-posenet/raw/")
        assert model.url.endswith(f"/{model.file_name}")
        assert f"_{model.size[0]}_{model.size[1]}_" in model.name
        assert (model.edgetpu is None) == model.name.endswith("_edgetpu")
        assert model.edgetpu is None or model.edgetpu in names


def test_the_file_that_comes_with_the_program_is_the_catalogues(bundled_posenet: Path) -> None:
    (model,) = (model for model in catalogue() if not model.url)
    content = bundled_posenet.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (model.sha256, model.bytes)
    assert len(content) <= 1_500_000


def test_a_model_has_a_twin_for_the_edge_tpu_and_the_twin_has_none() -> None:
    twin = edgetpu_variant(DEFAULT_MODEL)
    assert twin == f"{DEFAULT_MODEL}_edgetpu"
    assert edgetpu_variant(f"{DEFAULT_MODEL}.tflite") == twin
    assert edgetpu_variant(twin) is None
    assert edgetpu_variant("mine.tflite") is None
