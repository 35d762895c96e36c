"""What the screen shows at one moment: plain data, which `scene` draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device.display.code import Modules
from device.display.drawn_visitor import ALL_POSES
from device.glow import ButtonState
from device.language.message import Message
from models.pose import Image, Pose

if TYPE_CHECKING:
    from device.guidance import Hint


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPhoto:
    """A photo ready for the screen: `picture` is H×W×3 of its pane's size (see `layout.prepare`), and its credit.

    A different `picture` object counts as a different photo, and the screen fades to it.
    """

    picture: Image
    credit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ShownAnswer:
    """One visitor and their answer.

    `visitor` is the pose in pixels of the camera picture, None while the picture is stale. `ring` tells how far the
    ring closes, 0 to 1 (`device.rating`), and `celebration` how much of a celebration is over, None without one.
    """

    photo: PreparedPhoto | None = None
    visitor: Pose | None = None
    ring: float | None = None
    celebration: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ShownPage:
    """The page on which a visitor's phone finds the GIF: its code, and the hours after which the GIF is deleted.

    If phones must join a Wi-Fi first, `wifi_name` is its name, and `wifi_code` the code that joins it.
    """

    code: Modules
    hours: int
    wifi_name: str = ""
    wifi_code: Modules | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What the screen shows of a recording.

    `countdown` is the numeral to show, and `progress` the share that is recorded, 0 to 1. `portrayal` says how the GIF
    will show the visitor. `notice` is what the recorder has to say, and `replay` is the picture (H×W×3) of the GIF to
    show now, and `page` where a phone finds that GIF, if GIFs are shared.
    """

    countdown: int | None = None
    portrayal: Message | None = None
    progress: float | None = None
    notice: Message | None = None
    replay: Image | None = None
    page: ShownPage | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a visitor waits for something: from a press until the GIF was shown."""
        return self.countdown is not None or self.progress is not None or self.notice is not None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Everything that the screen shows at one moment.

    - `answers`: one for each visitor that is answered. Nobody is there if there are none. `idle_photo` then answers the
      drawn visitor of the attract loop, who takes the poses `idle_poses` (`device.display.drawn_visitor`).
    - `pictures`: the number of the library's pictures; 0 if it is not known yet.
    - `camera_image`: the mirrored camera picture (H×W×3), and `others`, the poses in it that are not answered.
    - `hint`: what would help the visitor.
    - `trouble`: what is wrong, as far as visitors should know. `needs_care` shows the mark that owners know.
    - `button`: the state of the button, and `holds` whether holding it chooses another collection.
    - `collection`: the name of the collection that was just chosen.
    - `starting`: what the mirror does before it can begin, and `started`, the share of it that is done, 0 to 1.
    """

    answers: tuple[ShownAnswer, ...] = ()
    idle_photo: PreparedPhoto | None = None
    idle_poses: tuple[int, ...] = ALL_POSES
    pictures: int = 0
    camera_image: Image | None = None
    others: tuple[Pose, ...] = ()
    hint: Hint | None = None
    trouble: Message | None = None
    needs_care: bool = False
    recorded: Recorded = field(default_factory=Recorded)
    button: ButtonState = field(default_factory=ButtonState)
    holds: bool = False
    collection: Message | None = None
    starting: Message | None = None
    started: float | None = None
