"""An upgrade takes over where the mirror was, and one that does not come up gives way to the version before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.image import DiskImage
from tests.boot.kiosk import CONFIG_FILE, QUICK_SETTINGS, Kiosk
from tests.boot.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.boot_long, pytest.mark.timeout(3600)]

SOURCE = "/usr/src/pose-mirror"

WITHOUT_NETWORK = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/usr/src/wheels"


@pytest.fixture(scope="module")
def kiosk(image: DiskImage, clip: Path) -> Iterator[Kiosk]:
    with Machine(image, devices=("usb",), clip=clip) as machine:
        found = Kiosk(machine, "upgrade")
        found.wait_until_up()
        found.configure(QUICK_SETTINGS)
        yield found


def in_use(kiosk: Kiosk) -> str:
    return kiosk.machine.check_output("readlink /opt/pose-mirror/current").strip()


def changed(kiosk: Kiosk, name: str, change: str) -> str:
    """The command that installs another version, made of the installed one's source by a shell command."""
    there = f"/usr/src/{name}"
    kiosk.machine.check_output(f"cp -r {SOURCE} {there}; cd {there}; {change}")
    return f"{WITHOUT_NETWORK} bash {there}/systemd/install.sh"


def test_an_upgrade_takes_over(kiosk: Kiosk) -> None:
    before, settings = in_use(kiosk), kiosk.machine.read(CONFIG_FILE)
    newer = "sed -i 's/^version = .*/version = 9.9.9/' setup.cfg"
    said = kiosk.machine.check_output(changed(kiosk, "newer", newer), 1800)
    assert "takes over" in said
    after = in_use(kiosk)
    assert after.startswith("/opt/pose-mirror/9.9.9-")
    assert kiosk.unit_property("ActiveState") == "active"
    assert after in kiosk.machine.check_output(f"tr '\\0' ' ' </proc/{kiosk.pid}/cmdline")
    assert kiosk.machine.read(CONFIG_FILE) == settings
    assert kiosk.machine.run(f"test -e {before}/whole").status == 0, "the version before is kept"


def refused(kiosk: Kiosk, name: str, change: str, why: str) -> None:
    """Tries an upgrade that must fail for a reason it says, and leave the version before in use."""
    before = in_use(kiosk)
    ran = kiosk.machine.run(changed(kiosk, name, change), 1800)
    assert ran.status == 1
    assert why in ran.stderr
    assert in_use(kiosk) == before
    kiosk.wait_until_up()


def test_an_upgrade_that_does_not_come_up_gives_way_to_the_version_before(kiosk: Kiosk) -> None:
    broken = "sed -i 's/^def _run_until_closed(.*/&\\n    raise RuntimeError(\"broken\")/' device/start.py"
    refused(kiosk, "broken", broken, "does not come up")
    kiosk.wait_for_status("fps", 120)


def test_an_upgrade_whose_doctor_finds_new_faults_is_not_tried(kiosk: Kiosk) -> None:
    sick = 'sed -i \'s/^def _check_temperature(.*/&\\n    return Finding("bad", "It burns.")/\' device/cli/doctor.py'
    refused(kiosk, "sick", sick, "It burns.")
