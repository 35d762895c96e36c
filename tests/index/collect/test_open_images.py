"""Open Images as a source: what its tables lead to, and that whatever stops the reading leads to the same."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index import connections, web
from index.build.photo import SourceError
from index.collect import rows
from index.collect.candidate import Candidate, Source
from index.collect.open_images import OpenImages
from index.collect.open_images_choice import LabelNames
from index.collect.open_images_store import DATABASE, Store, image_name, image_number
from index.collect.open_images_tables import NAMES, read_table
from index.collect.rules import Rules, load_rules
from index.credit import Credit
from tests.index.collect.open_images_tables import PATHS, Sample, TableMaker, make_samples
from tests.index.collect.table_server import TableServer, serve
from tests.support.paths import ROOT

RULES = replace(
    load_rules(),
    minor_labels=("Child",),
    seated_labels=("Sitting", "at Table"),
    collections={"Yoga": ("Yoga",), "Dance": ("Dance", "dance *"), "Music": ("Guitar",)},
    leave_out_labels=("Rifle",),
)


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(web, "CHUNK_SIZE", 10_000)
    monkeypatch.setattr(connections, "CHUNK_SIZE", 10_000)
    monkeypatch.setattr(rows, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of 2,000 photos."""
    return make_samples(2000).write(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def expected(many: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The candidates of these tables, read in one go."""
    return describe(prepare(many, tmp_path_factory.mktemp("whole")))


@pytest.fixture
def server(many: Path) -> Iterator[TableServer]:
    with serve(many) as running:
        yield running


def prepare(tables: str | Path, folder: Path, rules: Rules = RULES) -> OpenImages:
    source = OpenImages(tables)
    source.prepare(folder, rules)
    return source


def describe(source: OpenImages) -> list[str]:
    """Return all that there is to know of the candidates, in order."""
    return [repr((c.key, c.picture, c.credit, c.author_url, c.rotation)) for c in source.candidates()]


def collect(folder: Path, *samples: Sample, rules: Rules = RULES) -> list[Candidate]:
    """Return the candidates among some samples; a further photo makes sure that there is one, and is not returned."""
    maker = TableMaker()
    other = maker.add(Sample())
    for sample in samples:
        maker.add(sample)
    source = prepare(maker.write(folder / "tables"), folder / "store", rules)
    return [candidate for candidate in source.candidates() if candidate.key != other]


def failure(tables: str | Path, folder: Path, rules: Rules = RULES) -> str:
    with pytest.raises(SourceError) as error:
        prepare(tables, folder, rules)
    sentence = str(error.value)
    assert re.search(r"[^.?][.?]$", sentence)
    assert "\n" not in sentence
    return sentence


def test_it_is_a_source(many: Path) -> None:
    source: Source = OpenImages(many)
    tables = source.downloads(RULES)
    assert len(tables) == 14
    assert sum(size or 0 for _, size in tables) == sum(file.stat().st_size for file in many.rglob("*.csv"))
    assert len(source.downloads(replace(RULES, splits=("test",)))) == 6


def test_the_size_of_the_tables_is_known_beforehand() -> None:
    places = OpenImages().downloads(RULES)
    assert places[0].place == "https://storage.googleapis.com/openimages/v7/oidv7-class-descriptions.csv"
    assert sum(size or 0 for _, size in places) == pytest.approx(6.29e9, rel=0.01)


def test_a_candidate_has_what_the_mirror_shows(tmp_path: Path) -> None:
    maker = TableMaker()
    key = maker.add(Sample(labels=["Yoga", "Dance"], title='She said "higher",\ntwice', rotation="270.0", split="test"))
    (candidate,) = prepare(maker.write(tmp_path / "tables"), tmp_path / "store").candidates()
    number = int(key.partition("/")[2], 16) % 10**10
    assert candidate.key == key
    assert candidate.picture == f"https://open-images-dataset.s3.amazonaws.com/{key}.jpg"
    assert candidate.credit == Credit(
        title='She said "higher", twice',
        author="Ann",
        licence="CC BY 2.0",
        licence_url="https://creativecommons.org/licenses/by/2.0/",
        source_url=f"https://www.flickr.com/photos/ann/{number}",
        collection="Yoga",
    )
    assert candidate.author_url == "https://www.flickr.com/people/ann/"
    assert candidate.rotation == 270
    assert (candidate.people, candidate.size) == (None, None)


def test_rows_of_the_real_tables(tmp_path: Path) -> None:
    """The first rows of the published tables, and the relation of another image."""
    maker = TableMaker()
    tables = maker.write(tmp_path / "tables")
    boxes, labels, relations, photos = (tables / path for path in PATHS["train"])
    clicks = "0.148438,0.012500,0.059375,0.195312,0.148438,0.357812,0.587500,0.325000"
    with boxes.open("a") as opened:
        opened.write(f"b37f763ae67d0888,xclick,/m/01g317,1,0.012500,0.195312,0.148438,0.587500,0,0,0,0,0,{clicks}\n")
        opened.write(f"000ac95750ac7399,xclick,/m/04yx4,1,0.049375,0.560625,0.08427,0.999064,0,1,0,0,0,{clicks}\n")
    with labels.open("a") as opened:
        opened.write("b37f763ae67d0888,verification,/m/014j1m,0\nb37f763ae67d0888,verification,/m/026bk,1\n")
    with relations.open("a") as opened:
        box = "0.049375,0.560625,0.08427,0.999064"
        opened.write(f"000ac95750ac7399,/m/04yx4,/m/019nj4,{box},{box},is\n")
    with photos.open("a") as opened:
        opened.write(
            "b37f763ae67d0888,train,https://c1.staticflickr.com/1/67/197493648_628a7cb2ee_o.jpg,"
            "https://www.flickr.com/photos/drstarbuck/197493648,https://creativecommons.org/licenses/by/2.0/,"
            "https://www.flickr.com/people/drstarbuck/,Karen,Three people on a hill,494555,9IzEn38GRNsVpATuv7gzEA==,"
            "https://c3.staticflickr.com/1/67/197493648_628a7cb2ee_z.jpg?zz=1,0.0\n"
        )
    (candidate,) = prepare(tables, tmp_path / "store").candidates()
    assert candidate.key == "train/b37f763ae67d0888"
    assert candidate.credit.author == "Karen"
    assert candidate.credit.collection == "Dance"


def test_an_author_without_a_name_is_credited_by_the_page(tmp_path: Path) -> None:
    nameless, unknown = Sample(author=" "), Sample(author="", author_url="")
    (candidate,) = collect(tmp_path, nameless, unknown)
    assert candidate.credit.author == "https://www.flickr.com/people/ann/"


@pytest.mark.parametrize(
    "sample",
    [
        Sample(labels=["Rifle"]),
        Sample(labels=["Child"]),
        Sample(title="A war"),
        Sample(title="My kids"),
        Sample(boxes=[("Girl", 0.2, 0.6, 0.1, 0.9, "0,0,0,0,0")]),
        Sample(boxes=[("Man", 0.2, 0.6, 0.1, 0.9, "0,0,1,0,0")]),
        Sample(boxes=[("Man", 0.2, 0.6, 0.1, 0.9, "0,0,0,1,0")]),
        Sample(boxes=[("Man", 0.2, 0.6, 0.1, 0.3, "0,0,0,0,0")]),
        Sample(boxes=[("Man", 0.3 * n, 0.3 * n + 0.2, 0.1, 0.9, "0,0,0,0,0") for n in range(3)]),
        Sample(boxes=[]),
        Sample(licence="https://creativecommons.org/licenses/by-nc/2.0/"),
        Sample(rotation="90.0", boxes=[("Man", 0.2, 0.4, 0.1, 0.9, "0,0,0,0,0")]),
    ],
)
def test_left_out(tmp_path: Path, sample: Sample) -> None:
    assert collect(tmp_path, sample) == []


@pytest.mark.parametrize(
    "sample",
    [
        Sample(absent=["Rifle"]),
        Sample(boxes=[("Man", 0.2, 0.6, 0.1, 0.9, "-1,-1,-1,-1,-1")]),
        Sample(boxes=[("Person", 0.2, 0.6, 0.1, 0.9, "0,0,0,0,0"), ("Man", 0.2, 0.61, 0.1, 0.91, "0,0,0,0,0")] * 2),
        Sample(rotation=""),
        Sample(rotation="nan"),
        Sample(rotation="90.0", boxes=[("Man", 0.1, 0.9, 0.2, 0.4, "0,0,0,0,0")]),
        Sample(split="validation"),
    ],
)
def test_not_left_out(tmp_path: Path, sample: Sample) -> None:
    assert len(collect(tmp_path, sample)) == 1


def test_boxes_of_an_image_far_apart(tmp_path: Path) -> None:
    """A group at the end of the table counts, although all other boxes of the image are at its beginning."""
    maker = make_samples(300)
    key = maker.add(Sample())
    tables = maker.write(tmp_path / "tables")
    assert key in {candidate.key for candidate in prepare(tables, tmp_path / "before").candidates()}
    clicks = ",".join(["-1"] * 8)
    with (tables / PATHS["train"][0]).open("a") as opened:
        opened.write(f"{key.partition('/')[2]},xclick,/m/01g317,1,0.7,0.9,0.1,0.2,0,0,1,0,0,{clicks}\n")
    assert key not in {candidate.key for candidate in prepare(tables, tmp_path / "after").candidates()}


def test_seated_and_cut_off_people_are_few(tmp_path: Path) -> None:
    maker = TableMaker()
    cut = [("Man", 0.2, 0.6, 0.1, 0.9, "0,1,0,0,0")]
    seated = {maker.add(Sample(relations=[("Man", "at", "Table")], labels=["Yoga"])) for _ in range(300)}
    seated |= {maker.add(Sample(relations=[("Woman", "is", "Sitting")])) for _ in range(100)}
    heads = {maker.add(Sample(boxes=cut, labels=["Dance"])) for _ in range(400)}
    moving = {maker.add(Sample(labels=["Dance"])) for _ in range(600)}
    moving |= {maker.add(Sample(relations=[("Man", "dance", "Woman")])) for _ in range(100)}
    for _ in range(1000):
        maker.add(Sample())
    order = [candidate.key for candidate in prepare(maker.write(tmp_path / "tables"), tmp_path / "store").candidates()]
    for length in range(200, len(order) + 1):
        beginning = order[:length]
        if length % 50 == 0:
            assert len(seated.intersection(beginning)) <= 0.1 * length
            assert len(heads.intersection(beginning)) <= 0.05 * length
            assert len(moving.intersection(beginning)) >= min(0.6 * length, len(moving))
    assert seated.intersection(order)
    assert heads.intersection(order)


def test_collections_take_turns(many: Path, tmp_path: Path) -> None:
    first = [candidate.credit.collection for candidate in prepare(many, tmp_path).candidates()][:120]
    counts = Counter(first)
    assert min(counts["Yoga"], counts["Dance"], counts["Music"]) >= 20


def test_candidates_from_a_number_on(many: Path, tmp_path: Path, expected: list[str]) -> None:
    source = prepare(many, tmp_path)
    assert len(source) == len(expected) > 1000
    for start in (0, 1, 999, 1000, 1001, len(expected) - 1, len(expected)):
        found = [candidate.key for candidate in source.candidates(start)]
        assert len(found) == len(expected) - start
        assert all(key in line for key, line in zip(found, expected[start:], strict=True))


def test_two_readers_at_once(many: Path, tmp_path: Path) -> None:
    source = prepare(many, tmp_path)
    first, second = source.candidates(), source.candidates(5)
    keys = [next(first).key for _ in range(6)]
    assert next(second).key == keys[5]


def test_tables_in_one_folder(many: Path, tmp_path: Path, expected: list[str]) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in many.rglob("*.csv"):
        (flat / file.name).write_bytes(file.read_bytes())
    assert describe(prepare(flat, tmp_path / "store")) == expected
    assert describe(prepare(many.as_uri(), tmp_path / "other")) == expected


def test_photos_in_a_folder(many: Path, tmp_path: Path) -> None:
    source = OpenImages(many, tmp_path / "photos")
    source.prepare(tmp_path / "store", RULES)
    candidate = next(source.candidates())
    assert candidate.picture == tmp_path / "photos" / f"{candidate.key}.jpg"


def test_from_a_server(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    assert describe(prepare(server.url, tmp_path)) == expected


def test_from_a_server_that_breaks_off(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    server.resets, server.reset_after = 12, 60_000
    assert describe(prepare(server.url, tmp_path)) == expected
    assert server.resets == 0


def test_nothing_is_read_twice(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    source = prepare(server.url, tmp_path)
    server.starts.clear()
    assert source.downloads(RULES, tmp_path) == []
    assert describe(prepare(server.url, tmp_path)) == expected
    assert server.starts == []


def test_other_rules_need_no_tables(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    prepare(server.url, tmp_path)
    server.starts.clear()
    other = replace(RULES, leave_out_labels=("Dance",), splits=("train",), min_height=0.5)
    changed = describe(prepare(server.url, tmp_path, other))
    assert changed != expected
    assert describe(prepare(server.url, tmp_path)) == expected
    assert server.starts == []


def test_a_part_that_is_added_is_read_alone(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    prepare(server.url, tmp_path, replace(RULES, splits=("train", "test")))
    server.starts.clear()
    assert sorted(describe(prepare(server.url, tmp_path))) == sorted(expected)
    assert {name for name, _ in server.starts} == {Path(path).name for path in PATHS["validation"]}


def test_a_table_that_changes_is_read_again(many: Path, tmp_path: Path, expected: list[str]) -> None:
    """What was read of the former table is forgotten."""
    tables = make_samples(1500, seed=2).write(tmp_path / "tables")
    boxes = tables / PATHS["train"][0]
    with serve(tables) as server:
        stop_at(server.url, tmp_path / "store", "Reading boxes (train)", 100_000)
        for file in many.rglob("*.csv"):
            (tables / file.relative_to(many)).write_bytes(file.read_bytes())
        assert describe(prepare(server.url, tmp_path / "store")) == expected
        starts = [start for name, start in server.starts if name == boxes.name]
    assert starts == [0, 0, 0]  # the first part, the offer of another file, and that file


class _StopError(Exception):
    """Stops a reading from its report of the progress, as Ctrl-C would."""


def stop_at(tables: str, folder: Path, step: str, offset: int) -> None:
    """Read tables up to an offset in one of them."""

    def stop(done: int, total: int | None, what: str) -> None:
        if what == step and done >= offset:
            raise _StopError

    with pytest.raises(_StopError):
        OpenImages(tables).prepare(folder, RULES, stop)


@pytest.mark.parametrize("content", ["boxes", "labels", "relations", "photos"])
def test_stopped_and_resumed(content: str, server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    step = f"Reading {content} (train)"
    for offset in (1, 50_000, 100_000):
        stop_at(server.url, tmp_path, step, offset)
    assert describe(prepare(server.url, tmp_path)) == expected
    table = Path(PATHS["train"][["boxes", "labels", "relations", "photos"].index(content)]).name
    starts = [start for name, start in server.starts if name == table]
    assert starts == sorted(set(starts))
    assert len(starts) >= 3


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from index.collect import rows
from tests.index.collect.test_open_images import RULES, prepare
rows.BLOCK_BYTES = 20_000
prepare(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_and_resumed(server: TableServer, tmp_path: Path, expected: list[str]) -> None:
    """Killed again and again at any moment, it gives the same in the end as in one go."""
    server.delay = 0.01
    kills = 0
    for attempt in range(8):
        program = [sys.executable, "-c", PROGRAM, server.url, str(tmp_path)]
        process = subprocess.Popen(program, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        before = len(server.starts)
        while process.poll() is None and len(server.starts) <= before:
            time.sleep(0.01)
        time.sleep(0.03 * attempt)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 3
    server.delay = 0.0
    assert describe(prepare(server.url, tmp_path)) == expected


def test_only_one_process_at_a_time(many: Path, tmp_path: Path) -> None:
    with Store(tmp_path):
        assert "Another command is using" in failure(many, tmp_path)
    prepare(many, tmp_path)


def test_a_damaged_store_is_read_again(
    many: Path, tmp_path: Path, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database" * 1000)
    assert describe(prepare(many, tmp_path)) == expected
    assert "the tables are read again" in caplog.text


def test_a_store_of_another_version_is_read_again(many: Path, tmp_path: Path, expected: list[str]) -> None:
    prepare(many, tmp_path)
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert describe(prepare(many, tmp_path)) == expected


def test_progress_is_reported(many: Path, tmp_path: Path) -> None:
    steps: dict[str, list[tuple[int, int | None]]] = {}
    OpenImages(many).prepare(
        tmp_path, RULES, lambda done, total, step: steps.setdefault(step, []).append((done, total))
    )
    assert list(steps)[:3] == ["Reading names", "Reading boxes (train)", "Reading labels (train)"]
    for reports in steps.values():
        assert reports[-1][0] == reports[-1][1] or reports[-1][1] is None


def test_bad_rows_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    maker = TableMaker()
    key = maker.add(Sample())
    tables = maker.write(tmp_path / "tables")
    clicks = ",".join(["-1"] * 8)
    with (tables / PATHS["train"][0]).open("a") as opened:
        opened.write(f"no-image,xclick,/m/01g317,1,0.7,0.9,0.1,0.2,0,0,0,0,0,{clicks}\n")
        opened.write(f"{'0' * 16},xclick,/m/01g317,1,wide,0.9,0.1,0.2,0,0,0,0,0,{clicks}\n")
        opened.write(f"{'0' * 16},xclick,/m/01g317,1,nan,0.9,0.1,0.2,0,0,0,0,0,{clicks}\n")
        opened.write("too,short\n")
    assert [candidate.key for candidate in prepare(tables, tmp_path / "store").candidates()] == [key]
    assert "train-annotations-bbox.csv: 4 of 6 rows cannot be read" in caplog.text


def test_no_table(tmp_path: Path) -> None:
    assert "oidv7-class-descriptions.csv cannot be read (there is no such file)" in failure(
        tmp_path, tmp_path / "store"
    )


def test_a_page_in_place_of_a_table(many: Path, tmp_path: Path) -> None:
    tables = make_samples(5).write(tmp_path / "tables")
    (tables / PATHS["train"][0]).write_text("<html><title>Log in</title></html>\n")
    assert "but begins with “<html>" in failure(tables, tmp_path / "store")


def test_no_photo_is_allowed(many: Path, tmp_path: Path) -> None:
    assert "The rules allow no photo of Open Images" in failure(many, tmp_path, replace(RULES, licences=("CC0",)))


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("Danse", "did you mean “Dance”?"),
        ("qqqqq", "look for its name"),
        ("at Tabel", "did you mean “Table”?"),
        ("a\nb", "lacks"),
    ],
)
def test_an_unknown_label_is_told_before_the_reading(many: Path, tmp_path: Path, label: str, hint: str) -> None:
    sentence = failure(many, tmp_path, replace(RULES, leave_out_labels=(label,)))
    assert hint in sentence
    with Store(tmp_path) as store:
        assert store.position(PATHS["train"][0]) == rows.START


def test_labels_by_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add_names(1, [("/m/1", "Dance"), ("/m/2", "dance"), ("plays /m/3", "plays Guitar"), ("/m/4", "Player")])
        names = LabelNames(store)
        assert names.numbers(["DANCE"]) == {1, 2}
        assert names.numbers(["plays *", "nothing"]) == {3}
        names.check(["Dance", "on dance", "plays *", "surf *", "plays guitar"])
        with pytest.raises(SourceError, match="lacks"):
            names.check(["jumps *"])


def test_names_of_images() -> None:
    for name in ("0000000000000000", "000002b66c9c498e", "7fffffffffffffff", "8000000000000000", "ffffffffffffffff"):
        assert image_name(image_number(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "12",
        "-fffffffffffffff",
        "+000000000000001",
        "0x00000000000001",
        " 00000000000001 ",
        "0000_0000_0000_0",
        "000002B66C9C498E",
        "000002b66c9c498\n",
    ],
)
def test_what_does_not_name_an_image(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        image_number(name)


def test_a_box_of_a_negative_image_is_a_bad_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    maker = TableMaker()
    key = maker.add(Sample())
    tables = maker.write(tmp_path / "tables")
    with (tables / PATHS["train"][0]).open("a") as opened:
        opened.write(f"-fffffffffffffff,xclick,/m/01g317,1,0.7,0.9,0.1,0.2,0,0,0,0,0,{','.join(['-1'] * 8)}\n")
    assert [candidate.key for candidate in prepare(tables, tmp_path / "store").candidates()] == [key]
    assert "train-annotations-bbox.csv: 1 of 3 rows cannot be read" in caplog.text


def test_default_labels_are_those_of_open_images(shared_data: Path, tmp_path: Path) -> None:
    """Checked against the real table of names, where somebody has put it next to the project."""
    file = shared_data / "open-images" / "oidv7-class-descriptions.csv"
    if not file.is_file():
        pytest.skip("the names of Open Images' classes (open-images/oidv7-class-descriptions.csv) are missing")
    with Store(tmp_path) as store:
        read_table(store, NAMES[0], str(file))
        rules, names = load_rules(), LabelNames(store)
        for labels in (rules.seated_labels, rules.leave_out_labels, rules.minor_labels, *rules.collections.values()):
            names.check(labels)
