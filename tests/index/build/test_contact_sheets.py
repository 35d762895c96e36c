"""Contact sheets: what is written, what stays and goes, and striking pictures out in a real browser, Chromium."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image as Pillow

from device.cli import main as cli
from index.build import edit
from index.build.contact_sheets import PAGE, THUMBNAIL_SIDE, SheetsResult, write_sheets
from index.build.picture_lookup import read_targets
from index.errors import LibraryBusyError, LibraryError
from index.library import Library, verify_library
from index.manifest import PICTURES_FOLDER
from models import files
from tests.index.build.test_edit import everything, library_of, names, photo, titles
from tests.support.libraries import NewItem
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

if TYPE_CHECKING:
    from playwright.sync_api import BrowserType, Locator, Page

CHROMIUM: Final = shutil.which("chromium")

HOSTILE: Final = (
    "</script><script>document.title='hacked'</script>",
    "\"'><img src=x onerror=document.title='hacked'>",
    "קפיצה \u202e gnp.exe",
    "${document.title='hacked'} `x` \\u003c \u2028 &lt;",
)
"""Titles with which markup, attributes, a script or the direction of writing would break."""

LINE_ENDS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ends a line in Python."""

COUNT: Final = 11
"""Pictures of the library; the first ones have hostile titles."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of pictures with one or two people, of which a few dance, and a pose without a picture."""
    photos = [photo(n, persons=1 + n % 2) for n in range(COUNT)]
    for n, title in enumerate(HOSTILE):
        photos[n] = [replace(item, title=title, author=title) for item in photos[n]]
    photos[7:9] = [[replace(item, collection="Folk dance") for item in people] for people in photos[7:9]]
    photos.insert(2, [NewItem(None, sample_people(1, 99)[0], "a pose", size=(640, 480))])
    return library_of(tmp_path_factory.mktemp("built") / "lib'rary", *photos)


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / built.name))


def facts(page: Path) -> dict[str, Any]:
    """Return the data in the page."""
    text = page.read_text(encoding="utf-8").partition('id="facts">')[2].partition("</script>")[0]
    document: dict[str, Any] = json.loads(text)
    return document


def rows(out: Path) -> list[list[Any]]:
    """Return the rows of all sheets."""
    scripts = [file.read_text(encoding="ascii") for file in sorted((out / "sheets").iterdir())]
    return [row for text in scripts for row in json.loads(text[text.index("[") : text.rindex("]") + 1])]


# Writing


def test_shows_each_picture_once_in_order(library: Path) -> None:
    updates: list[tuple[int, int | None, str]] = []
    result = write_sheets(library, progress=lambda *update: updates.append(update), per_sheet=4)
    out = library.with_name(f"{library.name}-sheets")
    assert result == SheetsResult(out / PAGE, COUNT, 3, 0)
    assert updates == [(done, COUNT, "Making thumbnails") for done in (4, 8, COUNT)]
    with Library.open(library) as opened:
        items = [item for item in opened.items() if item.picture is not None]
    firsts = {item.picture.name: item for item in reversed(items) if item.picture is not None}
    shown = rows(out)
    assert [row[0] for row in shown] == list(dict.fromkeys(item.picture.name for item in items if item.picture))
    for name, number, title, author, licence, has_thumbnail in shown:
        item = firsts[name]
        assert (number, title, author, licence) == (item.number, item.title, item.author, item.licence)
        assert has_thumbnail
        with Pillow.open(out / "thumbnails" / name[:2] / name) as thumbnail:
            assert thumbnail.format == "JPEG"
            assert max(thumbnail.size) <= THUMBNAIL_SIDE
    assert facts(out / PAGE)["command"] == f"pose-mirror index remove '{library}' --from struck.txt".replace(
        "lib'rary", "lib'\"'\"'rary"
    )
    verify_library(library)


def test_the_same_library_gives_the_same_files(library: Path) -> None:
    out = write_sheets(library, per_sheet=4).page.parent
    before = everything(out)
    write_sheets(library, per_sheet=4)
    assert everything(out) == before
    shutil.rmtree(out)
    write_sheets(library, per_sheet=4)
    assert everything(out) == before


def test_text_is_data_and_never_markup(library: Path) -> None:
    out = write_sheets(library).page.parent
    script = (out / "sheets/0001.js").read_bytes()
    assert b"<" not in script
    assert script.isascii()
    assert script.count(b"\n") == 1
    assert b"hacked" not in (out / PAGE).read_bytes()


def test_a_folder_may_have_any_name(library: Path) -> None:
    odd = library.rename(library.with_name("<script>\"'&\u202e\n<b>"))
    page = write_sheets(odd).page.read_text()
    assert page.count("</script>") == 2
    assert "<b>" not in page.partition("<bdi>")[2].partition("</bdi>")[0]


def test_shows_one_collection(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "dance"
    result = write_sheets(library, out, "folk_DANCE")
    assert (result.pictures, result.sheets) == (2, 1)
    assert [row[2] for row in rows(out)] == ["Photo 7", "Photo 8"]
    assert "of the collection “Folk dance”" in (out / PAGE).read_text()
    with pytest.raises(LibraryError, match="has no collection yoga: name one of Folk dance"):
        write_sheets(library, out, "yoga")


def test_removes_what_is_no_longer_in_the_library(library: Path) -> None:
    out = write_sheets(library, per_sheet=2).page.parent
    gone = names(library)["Photo 5"]
    edit.remove(library, [gone])
    write_sheets(library, per_sheet=5)
    assert gone not in [row[0] for row in rows(out)]
    assert not (out / "thumbnails" / gone[:2] / gone).exists()
    assert sorted(os.listdir(out / "sheets")) == ["0001.js", "0002.js"]


def test_shows_where_a_picture_cannot_be_read(library: Path) -> None:
    damaged, missing = (library / PICTURES_FOLDER / names(library)[title] for title in ("Photo 5", "Photo 6"))
    damaged.write_bytes(b"x")
    missing.unlink()
    result = write_sheets(library)
    assert result.unreadable == 2
    assert [row[0] for row in rows(result.page.parent) if not row[5]] == [damaged.name, missing.name]


def test_makes_an_incomplete_thumbnail_again(library: Path) -> None:
    out = write_sheets(library).page.parent
    before = everything(out)
    thumbnail = sorted(out.glob("thumbnails/*/*"))[0]
    os.truncate(thumbnail, 100)
    (thumbnail.parent / f"{thumbnail.name}.part").write_bytes(b"half")
    write_sheets(library)
    assert everything(out) == before


@pytest.mark.parametrize("name", ["notes.txt", "sheets/a.js", "thumbnails/photo.jpg", "index.html", ".hidden"])
def test_refuses_a_folder_with_other_files(library: Path, tmp_path: Path, name: str) -> None:
    stray = tmp_path / "out" / name
    stray.parent.mkdir(parents=True)
    stray.write_text("dear")
    with pytest.raises(LibraryError, match=f"out holds {name}, which is not of contact sheets") as error:
        write_sheets(library, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert everything(tmp_path / "out") == {name: b"dear"}


def test_refuses_other_places(library: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="file is a file"):
        write_sheets(library, tmp_path / "file")
    for inside in (library, library / "sheets"):
        with pytest.raises(LibraryError, match="is in the library"):
            write_sheets(library, inside)
    poses = library_of(tmp_path / "poses", [NewItem(None, sample_people(1)[0], size=(640, 480))])
    with pytest.raises(LibraryError, match="has no pictures to show"):
        write_sheets(poses)
    with pytest.raises(LibraryError, match="has no collections, so leave out --collection x"):
        write_sheets(poses, None, "x")
    assert not (tmp_path / "poses-sheets").exists()
    verify_library(library)


def test_the_sheets_of_a_linked_library_are_next_to_the_link(library: Path) -> None:
    link = library.with_name("link")
    link.symlink_to(library)
    assert write_sheets(link).page == library.with_name("link-sheets") / PAGE


def test_refuses_a_folder_that_another_process_writes(library: Path, tmp_path: Path) -> None:
    lock = files.lock_folder(tmp_path / "out")
    try:
        with pytest.raises(LibraryBusyError):
            write_sheets(library, tmp_path / "out")
    finally:
        os.close(lock)


@pytest.mark.parametrize("kills", [1, 5, 13])
@pytest.mark.slow
def test_resumes_after_a_kill(library: Path, kills: int) -> None:
    out = write_sheets(library, per_sheet=4).page.parent
    complete = everything(out)
    shutil.rmtree(out)
    program = (
        "import os, signal, sys; from pathlib import Path; from index.build import contact_sheets\n"
        "real, count = contact_sheets.files.replace, [0]\n"
        "def replace(*args):\n"
        "    count[0] += 1\n"
        "    if count[0] >= int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(*args)\n"
        "contact_sheets.files.replace = replace\n"
        "contact_sheets.write_sheets(Path(sys.argv[1]), per_sheet=4)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, library, str(kills)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / PAGE).exists(), "what is incomplete cannot be opened"
    write_sheets(library, per_sheet=4)
    assert everything(out) == complete


def test_the_command_says_where_the_page_is(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / PICTURES_FOLDER / names(library)["Photo 5"]).write_bytes(b"x")
    assert cli.main(["index", "sheets", str(library)]) == 0
    out = library.with_name(f"{library.name}-sheets")
    assert capsys.readouterr().out.splitlines() == [
        f"{out}: {COUNT} pictures on 1 contact sheet.",
        "1 picture cannot be read: `pose-mirror index verify` names the first.",
        f"Open it in a web browser: {(out / PAGE).as_uri()}",
    ]


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserType]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        yield running.chromium


@contextmanager
def opened_page(chromium: BrowserType, page: Path, width: int = 1000) -> Iterator[Page]:
    """The page, opened from the disk. It must ask for nothing but its own files, and have nothing to complain of.

    The browser has a profile on the disk, as everybody's has.
    """
    complaints: list[str] = []
    asked: list[str] = []
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, viewport={"width": width, "height": 800}, accept_downloads=True
        ) as context,
    ):
        context.set_default_timeout(60_000)
        opened = context.new_page()
        opened.on("console", lambda line: complaints.append(line.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("dialog", lambda dialog: dialog.accept())
        opened.goto(page.as_uri())
        opened.locator("#tiles button").first.wait_for()
        wait_for_storage(opened)
        yield opened
    assert complaints == []
    assert [url for url in asked if not url.startswith((page.parent.as_uri(), "blob:"))] == []


def wait_for_storage(opened: Page) -> None:
    """Store something, and load the page anew until it is kept.

    On a busy machine, Chromium may drop for good what a page stores first, if the page is loaded anew at once. It keeps
    what is stored afterwards.
    """

    def keeps_it() -> bool:
        kept = opened.evaluate("localStorage.getItem('kept') === 'yes'")
        if not kept:
            opened.evaluate("localStorage.setItem('kept', 'yes')")
        return bool(kept)

    reload_until(opened, keeps_it)


def tile(opened: Page, number: int) -> Locator:
    return opened.locator("#tiles button").nth(number)


def is_struck(button: Locator) -> bool:
    return button.get_attribute("aria-pressed") == "true"


def reload_until(opened: Page, is_ready: Callable[[], bool]) -> None:
    """Load the page anew until it shows what was struck out before, for a while.

    Chromium writes a page's storage in another process, so the page may be back before it is written.
    """
    for _ in range(20):
        opened.reload()
        opened.locator("#tiles button").first.wait_for()
        if is_ready():
            return
        time.sleep(0.2)
    pytest.fail("the browser forgot what the page stored")


def save_list(opened: Page, file: Path) -> Path:
    with opened.expect_download() as download:
        opened.locator("#save").click()
    assert download.value.suggested_filename == "struck.txt"
    download.value.save_as(file)
    return file


@pytest.mark.slow
def test_what_is_struck_out_is_taken_down(chromium: BrowserType, library: Path, tmp_path: Path) -> None:
    page = write_sheets(library, per_sheet=4).page
    with opened_page(chromium, page) as opened:
        for number in (0, 1, 2):
            tile(opened, number).click()
        tile(opened, 1).click()
        opened.locator("#next").click()
        opened.locator("#tiles bdi", has_text="Photo 4").wait_for()
        tile(opened, 1).click()
        assert opened.locator("#count").inner_text() == "3 pictures struck out"
        reload_until(opened, lambda: is_struck(tile(opened, 1)))
        opened.locator("#tiles bdi", has_text="Photo 4").wait_for()
        assert [is_struck(tile(opened, n)) for n in range(4)] == [False, True, False, False]
        opened.screenshot(path=tmp_path / "sheet.png", full_page=True)
        opened.locator("#struck").click()
        opened.locator("#tiles button").nth(2).wait_for()
        assert opened.locator("#tiles button").count() == 3
        struck = save_list(opened, tmp_path / "struck.txt")
    text = struck.read_text()
    assert text.startswith(
        f"# Struck out: 3 of {library.name}. To take them down for good:\n# pose-mirror index remove"
    )
    assert "# 8, Photo 5, Ann\n" in text
    assert cli.main(["index", "remove", str(library), "--from", str(struck)]) == 0
    assert not {HOSTILE[0], HOSTILE[2], "Photo 5"} & set(titles(library))
    assert HOSTILE[1] in titles(library)
    assert cli.main(["index", "remove", str(library), "--from", str(struck)]) == 0, "all are gone already"
    write_sheets(library, per_sheet=4)
    verify_library(library)


@pytest.mark.slow
def test_what_is_gone_is_no_longer_struck_out(chromium: BrowserType, library: Path, tmp_path: Path) -> None:
    page = write_sheets(library).page
    with opened_page(chromium, page) as opened:
        for number in (4, 5):
            tile(opened, number).click()
        edit.remove(library, [names(library)["Photo 4"]])
        write_sheets(library)
        reload_until(opened, lambda: "struck out" in opened.locator("#count").inner_text())
        assert opened.locator("#count").inner_text() == "1 picture struck out"
        assert "Photo 4" not in save_list(opened, tmp_path / "struck.txt").read_text()
        opened.locator("#struck").click()
        opened.locator("#back").click()
        opened.locator("#none").wait_for()
        assert opened.locator("#count").inner_text() == "Click on a picture that the mirror should not show."
        assert opened.locator("#save").is_disabled()


@pytest.mark.slow
def test_hostile_titles_are_shown_as_they_are(chromium: BrowserType, library: Path) -> None:
    with opened_page(chromium, write_sheets(library).page) as opened:
        tile(opened, 0).click()
        opened.locator("#struck").click()
        opened.locator("#none").wait_for(state="hidden")
        reload_until(opened, lambda: opened.locator("#struck").is_visible())
        opened.locator("#struck").click()
        opened.locator("#tiles button").nth(4).wait_for()
        for number, title in enumerate(HOSTILE):
            shown = tile(opened, number).locator(".title bdi").text_content()
            assert shown == " ".join("".join(c if c.isprintable() else " " for c in title).split())
        assert opened.title() == f"Contact sheets of {library.name}"
        assert opened.locator("main img").count() == COUNT


@pytest.mark.slow
def test_a_title_of_several_lines_names_no_other_picture(chromium: BrowserType, library: Path, tmp_path: Path) -> None:
    struck, other = names(library)["Photo 4"], names(library)["Photo 5"]
    page = write_sheets(library).page
    sheet = page.parent / "sheets/0001.js"
    title = "".join(f"Photo 4{end}{other}{end}" for end in LINE_ENDS)  # as a library from elsewhere may hold it
    sheet.write_text(sheet.read_text().replace('"Photo 4"', json.dumps(title)))
    with opened_page(chromium, page) as opened:
        tile(opened, 4).click()
        saved = save_list(opened, tmp_path / "struck.txt")
    assert read_targets(saved) == [struck]


@pytest.mark.slow
def test_keys_do_everything(chromium: BrowserType, library: Path) -> None:
    with opened_page(chromium, write_sheets(library, per_sheet=4).page) as opened:
        for _ in range(3):  # the list of sheets, Next, the first picture
            opened.keyboard.press("Tab")
        focused = opened.locator(":focus")
        assert (focused.get_attribute("aria-label") or "").startswith("Strike out 0, </script>")
        opened.keyboard.press("ArrowRight")
        opened.keyboard.press("Space")
        assert is_struck(tile(opened, 1))
        opened.keyboard.press("End")
        opened.keyboard.press("ArrowRight")
        opened.locator("#tiles bdi", has_text="Photo 4").wait_for()
        assert (focused.get_attribute("aria-label") or "").startswith("Strike out 7, Photo 4, Ann, CC BY 4.0")
        opened.keyboard.press("Enter")
        opened.keyboard.press("ArrowUp")
        opened.locator("#tiles bdi", has_text=HOSTILE[0]).first.wait_for()
        assert focused.evaluate("button => button.row[1]") == 5, "the last picture of the sheet before"
        assert opened.locator("#count").inner_text() == "2 pictures struck out"
        assert opened.locator("#tiles button[tabindex='0']").count() == 1


@pytest.mark.slow
def test_fits_narrow_and_wide_windows(chromium: BrowserType, library: Path, tmp_path: Path) -> None:
    page = write_sheets(library).page
    for width in (320, 412, 1920):
        with opened_page(chromium, page, width) as opened:
            tile(opened, 5).click()
            opened.screenshot(path=tmp_path / f"{width}.png")
            assert opened.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert opened.evaluate("Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)")


@pytest.mark.slow
def test_copies_the_list_and_the_command(chromium: BrowserType, library: Path) -> None:
    with opened_page(chromium, write_sheets(library).page) as opened:
        opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
        tile(opened, 4).click()
        for button, start in (("#copy", "# Struck out: 1 of"), ("#copy-command", "pose-mirror index remove ")):
            opened.locator(button, has_text="Copy").click()
            opened.locator(button, has_text="Copied").wait_for()
            assert opened.evaluate("navigator.clipboard.readText()").startswith(start)
