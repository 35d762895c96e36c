"""The pages for phones: what they say, what they refuse, and what they answer to phones that look for the internet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from device.recording.recorder import MAX_STILLS
from device.share.page import file_name, link_addresses, opens_only_here
from device.share.portal import PROBES, Portal
from device.share.shared_gif import SharedGif, details_file, gif_file, new_name, read_details, write_details
from device.share.visitors import MAX_REMEMBERED, RateLimit, Welcomed, visitor_key
from device.share.web_pages import Pages, create_app
from index.credit import MAX_TEXT_LENGTH

NOW = 1_800_000_000.0
GIF = b"GIF89a" + bytes(range(256)) * 40
HOTSPOT = "http://10.41.0.1/"


def share_gif(folder: Path, *, credits: tuple[str, ...] = (), data: bytes | None = GIF, language: str = "en") -> str:
    gif = SharedGif(new_name(), NOW, NOW + 3600, credits, language)
    write_details(folder, gif)
    if data is not None:
        gif_file(folder, gif.name).write_bytes(data)
    return gif.name


def open_client(
    folder: Path, now: float = NOW, limit: RateLimit | None = None, portal: str | None = None
) -> FlaskClient:
    pages = Pages(folder, RateLimit() if limit is None else limit, Portal(lambda: portal), lambda: now)
    return create_app(pages).test_client()


def test_a_page_shows_its_gif(tmp_path: Path) -> None:
    name = share_gif(tmp_path)
    response = open_client(tmp_path).get(f"/{name}")
    assert response.status_code == 200
    assert f'src="{name}.gif"' in response.text
    assert f'href="{name}.gif?save"' in response.text
    with open_client(tmp_path).get(f"/{name}.gif") as gif:
        assert (gif.data, gif.mimetype) == (GIF, "image/gif")
        assert gif.headers["Content-Disposition"] == f'inline; filename="{file_name(NOW)}"'
    with open_client(tmp_path).get(f"/{name}.gif?save") as saved:
        assert saved.headers["Content-Disposition"].startswith('attachment; filename="pose-mirror-20')


@pytest.mark.parametrize(
    ("agent", "has_link", "has_hint"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X)", False, True),
        ("Mozilla/5.0 (Linux; Android 5.0; SM-G900F)", True, False),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15)", True, True),
        ("", True, False),
    ],
)
def test_says_how_this_phone_saves(agent: str, has_link: bool, has_hint: bool, tmp_path: Path) -> None:
    text = open_client(tmp_path).get(f"/{share_gif(tmp_path)}", headers={"User-Agent": agent}).text
    assert ("?save" in text, 'class="hold"' in text) == (has_link, has_hint)


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("192.168.178.20", True),
        ("10.41.0.1:8080", True),
        ("[fd00::1]:80", True),
        ("mirror", True),
        ("Mirror.local:80", True),
        ("mirror.example.org", False),
        ("8.8.8.8", False),
        ("[", True),
    ],
)
def test_says_that_a_local_page_opens_only_there(host: str, only_here: bool, tmp_path: Path) -> None:
    assert opens_only_here(host) is only_here
    response = open_client(tmp_path).get(f"/{share_gif(tmp_path)}", headers={"Host": host})
    if response.status_code == 200:
        assert ("opens only here" in response.text) is only_here
        assert "2027" in response.text


def test_credits_are_text_with_links(tmp_path: Path) -> None:
    credits = ("<script>x</script> by A", 'See https://example.org/a?b=1&c="2".', "javascript:alert(1)")
    text = open_client(tmp_path).get(f"/{share_gif(tmp_path, credits=credits)}").text
    assert "<script" not in text
    assert "&lt;script&gt;x&lt;/script&gt; by A" in text
    assert '<a href="https://example.org/a?b=1&amp;c=" rel="noopener noreferrer nofollow">' in text
    assert 'href="javascript' not in text


def test_the_longest_credits_of_a_recording_are_all_shown(tmp_path: Path) -> None:
    name = share_gif(tmp_path, credits=most_credits(MAX_TEXT_LENGTH))
    page = open_client(tmp_path).get(f"/{name}")
    assert page.status_code == 200
    assert page.text.count("<li ") == MAX_STILLS


def test_a_gif_with_endless_credits_has_a_page_that_counts_the_others(tmp_path: Path) -> None:
    credits = most_credits(20_000)
    name = share_gif(tmp_path, credits=credits, language="de")
    details = read_details(tmp_path, name)
    assert details is not None
    shown = len(details.credits) - 1
    assert 3 < shown < MAX_STILLS
    assert details.credits == (*credits[:shown], f"und {MAX_STILLS - shown} weitere")
    assert open_client(tmp_path).get(f"/{name}").status_code == 200


def most_credits(length: int) -> tuple[str, ...]:
    """Return as many credits as a recording may have, of texts of this length in letters that take most bytes."""
    text = "\U00020000" * length
    return tuple(", ".join((f"{number:03}{text[3:]}", text, text)) for number in range(MAX_STILLS))


@pytest.mark.parametrize(
    ("credit", "address"),
    [
        ("Foo, https://en.example/wiki/Foo_(bar)", "https://en.example/wiki/Foo_(bar)"),
        ("Foo (https://en.example/wiki/Foo_(bar)).", "https://en.example/wiki/Foo_(bar)"),
        ("Foo (see https://en.example/a_[b]_(c), or ask)", "https://en.example/a_[b]_(c)"),
        ("[Foo: https://en.example/a]!", "https://en.example/a"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]"),
        ("https://en.example/?" + ")" * 9, "https://en.example/"),
        ("https://).", None),
    ],
)
def test_a_link_ends_where_its_address_does(credit: str, address: str | None) -> None:
    linked = link_addresses(credit)
    assert re.findall('href="(.*?)"', linked) == ([] if address is None else [address])
    assert linked.striptags() == credit


@pytest.mark.parametrize(
    ("accepted", "lang", "direction"),
    [
        *(("de-AT,de;q=0.9", "de", "ltr"), ("ar", "ar", "rtl"), ("xx, ja;q=0.5", "ja", "ltr"), ("xx", "fr", "ltr")),
        *(("de-AT,en;q=0.5", "de", "ltr"), ("zh-Hant-TW,en;q=0.8", "zh", "ltr"), ("en-US,de;q=0.5", "en", "ltr")),
        *(
            ("de;q=0,ja;q=0.1", "ja", "ltr"),
            ("ES_mx", "es", "ltr"),
            ("*", "fr", "ltr"),
            ("xx, *;q=0.5", "fr", "ltr"),
            ("de;q=0.5, *", "de", "ltr"),
        ),
    ],
)
def test_speaks_the_phones_language(accepted: str, lang: str, direction: str, tmp_path: Path) -> None:
    name = share_gif(tmp_path, language="fr")
    text = open_client(tmp_path).get(f"/{name}", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{lang}" dir="{direction}">' in text


def test_a_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = open_client(tmp_path).get(f"/{share_gif(tmp_path)}").text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert "<script" not in text
    assert " style=" not in text


def test_waits_for_a_gif_that_is_being_made(tmp_path: Path) -> None:
    name = share_gif(tmp_path, data=None)
    response = open_client(tmp_path).get(f"/{name}")
    assert response.status_code == 200
    assert '<meta http-equiv="refresh"' in response.text
    assert open_client(tmp_path).get(f"/{name}.gif").status_code == 404
    assert open_client(tmp_path, NOW + 301).get(f"/{name}").status_code == 404


def test_an_expired_gif_looks_like_an_unknown_one(tmp_path: Path) -> None:
    name, damaged = share_gif(tmp_path), share_gif(tmp_path)
    details_file(tmp_path, damaged).write_bytes(b'{"made_at": []')
    client = open_client(tmp_path, NOW + 3600)
    answers = [client.get(f"/{each}{suffix}") for suffix in ("", ".gif") for each in (name, damaged, new_name())]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.gif", "/%2e%2e/secret", "/..%2fsecret.gif", "//etc/passwd", "/shared/", "/style.css/..", "/a\0b"),
        *("/" + "A" * 26, "/" + "a" * 25 + "1", "/" + "a" * 26 + ".json", "/" + "a" * 26 + "/", "/" + "é" * 26),
        "/" + "." * 26,
    ],
)
def test_nothing_else_is_found(path: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "secret.gif").write_bytes(b"secret")
    response = open_client(tmp_path / "shared").get(path)
    assert response.status_code == 404
    assert b"secret" not in response.data


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_refuses_other_methods(method: str, tmp_path: Path) -> None:
    response = open_client(tmp_path).open("/", method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/style.css", "/nothing", "/NAME", "/NAME.gif"])
def test_every_answer_is_protected(path: str, tmp_path: Path) -> None:
    with open_client(tmp_path).get(path.replace("NAME", share_gif(tmp_path))) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"].startswith("noindex")
    assert "Set-Cookie" not in headers


def test_a_disk_that_is_gone_has_no_gifs(tmp_path: Path) -> None:
    name = share_gif(tmp_path)
    client = open_client(tmp_path / "gone")
    assert [client.get(path).status_code for path in (f"/{name}", f"/{name}.gif", "/")] == [404, 404, 200]


# Limits


def test_slows_down_an_address_that_asks_too_often(tmp_path: Path) -> None:
    limit = RateLimit(burst=3, refill=1, clock=lambda: 0.0)
    client = open_client(tmp_path, limit=limit)
    statuses = [client.get("/").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert client.get("/", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 200


def test_a_bucket_refills() -> None:
    now = [0.0]
    limit = RateLimit(burst=2, refill=0.5, clock=lambda: now[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    now[0] = 2.0
    assert [limit.allows("a") for _ in range(2)] == [True, False]


def test_remembers_few_addresses() -> None:
    limit, welcomed = RateLimit(), Welcomed()
    for number in range(MAX_REMEMBERED + 100):
        limit.allows(str(number))
        welcomed.add(str(number))
    assert len(limit) == len(welcomed) == MAX_REMEMBERED


def test_each_address_is_one_visitor() -> None:
    assert visitor_key("2001:db8::1") == visitor_key("2001:db8:0::1") != visitor_key("2001:db8::2")
    assert visitor_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert visitor_key("fe80::1%wlan0") == "fe80::1"
    assert visitor_key("localhost") == ""


# The mirror's own Wi-Fi

GUEST = {"REMOTE_ADDR": "10.41.0.77"}


@pytest.mark.parametrize("probe", PROBES)
def test_welcomes_a_phone_and_then_lets_it_stay(probe: str, tmp_path: Path) -> None:
    client = open_client(tmp_path, portal=HOTSPOT)
    first = client.get(probe, base_url="http://connectivity.example", environ_base=GUEST)
    assert (first.status_code, first.headers["Location"]) == (302, f"{HOTSPOT}welcome")
    assert client.get("/welcome", base_url=HOTSPOT, environ_base=GUEST).status_code == 200
    then = client.get(probe, base_url="http://connectivity.example", environ_base=GUEST)
    assert (then.status_code, then.text) == PROBES[probe][:2]


def test_leads_other_names_to_the_start_page(tmp_path: Path) -> None:
    client = open_client(tmp_path, portal=HOTSPOT)
    response = client.get("/news?id=1", base_url="http://example.com", environ_base=GUEST)
    assert (response.status_code, response.headers["Location"]) == (302, HOTSPOT)
    assert client.get("/", base_url=HOTSPOT, environ_base=GUEST).status_code == 200


def test_others_meet_no_portal(tmp_path: Path) -> None:
    beside = {"REMOTE_ADDR": "192.168.1.5"}
    assert open_client(tmp_path, portal=HOTSPOT).get("/", environ_base=beside).status_code == 200
    client = open_client(tmp_path)
    assert [client.get(path, environ_base=GUEST).status_code for path in ("/generate_204", "/welcome")] == [404, 404]


def test_a_welcome_is_forgotten() -> None:
    now = [0.0]
    welcomed = Welcomed(lambda: now[0])
    welcomed.add("a")
    assert "a" in welcomed
    now[0] = 3601.0
    assert "a" not in welcomed
