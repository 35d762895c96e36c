"""An upgrade replaces the running version, and one that fails to start is rolled back."""

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
        kiosk = Kiosk(machine, "upgrade")
        kiosk.wait_until_up()
        kiosk.configure(QUICK_SETTINGS)
        yield kiosk


def current_version(kiosk: Kiosk) -> str:
    """The folder of the version in use."""
    return kiosk.machine.check_output("readlink /opt/pose-mirror/current").strip()


def install_command(kiosk: Kiosk, name: str, change: str) -> str:
    """Change a copy of the installed source by a shell command, and return the command that installs it."""
    folder = f"/usr/src/{name}"
    kiosk.machine.check_output(f"cp -r {SOURCE} {folder}; cd {folder}; {change}")
    return f"{WITHOUT_NETWORK} bash {folder}/systemd/install.sh"


def test_an_upgrade_takes_over(kiosk: Kiosk) -> None:
    before, settings = current_version(kiosk), kiosk.machine.read(CONFIG_FILE)
    newer = "sed -i 's/^version = .*/version = 9.9.9/' setup.cfg"
    output = kiosk.machine.check_output(install_command(kiosk, "newer", newer), 1800)
    assert "takes over" in output
    after = current_version(kiosk)
    assert after.startswith("/opt/pose-mirror/9.9.9-")
    assert kiosk.unit_property("ActiveState") == "active"
    assert after in kiosk.machine.check_output(f"tr '\\0' ' ' </proc/{kiosk.pid}/cmdline")
    assert kiosk.machine.read(CONFIG_FILE) == settings
    assert kiosk.machine.run(f"test -e {before}/whole").status == 0, "the previous version was removed"


def check_refused(kiosk: Kiosk, name: str, change: str, reason: str) -> None:
    """Check that an upgrade fails with a reason, and leaves the previous version in use."""
    before = current_version(kiosk)
    result = kiosk.machine.run(install_command(kiosk, name, change), 1800)
    assert result.status == 1
    assert reason in result.stderr
    assert current_version(kiosk) == before
    kiosk.wait_until_up()


def test_rolls_back_an_upgrade_that_does_not_start(kiosk: Kiosk) -> None:
    broken = "sed -i 's/^def _run_until_closed(.*/&\\n    raise RuntimeError(\"broken\")/' device/start.py"
    check_refused(kiosk, "broken", broken, "does not come up")
    kiosk.wait_for_status("fps", 120)


def test_refuses_an_upgrade_with_new_faults(kiosk: Kiosk) -> None:
    sick = 'sed -i \'s/^def _check_temperature(.*/&\\n    return Finding("bad", "It burns.")/\' device/cli/doctor.py'
    check_refused(kiosk, "sick", sick, "It burns.")
