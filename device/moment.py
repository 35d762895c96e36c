"""What the mirror knows at one time: the sense thread makes it, and everything that is shown follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from device.cameras.base import Frame
from device.display.drawn_visitor import ALL_POSES
from device.display.layout import Size
from device.guidance import Hint
from device.language.message import Message
from device.placed_photo import PlacedPhoto
from models.pose import Pose


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A visitor and their answer.

    `visitor` is in the frame's pixels. `photo` is laid on the pane of this visitor; `likeness`, 0 to 1, says how alike
    its person and the visitor look. `celebrated_at` is when the newest celebration of a very good fit began.
    `number` is the visitor's own.
    """

    visitor: Pose
    photo: PlacedPhoto | None = None
    likeness: float = 0.0
    celebrated_at: float = -math.inf
    number: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the mirror knows at one time, on a canvas of `canvas` pixels.

    - `frame`: the camera's newest, mirrored; None without a camera.
    - `answered`: the visitors with their answers, from left to right, and `others`, the poses of people who are not
      answered, in the frame's pixels.
    - `idle_photo`: what answers the drawn visitor while nobody is there, who takes the poses `idle_poses`.
    - `hint`: what would help the first visitor, or everybody in the dark.
    - `faults`: what is wrong now, a sentence each, for makers; `trouble` is what visitors should know of it.
    - `library`: the name of its folder. There are `people` in `pictures` to answer with. `collections` are the
      library's, `collection` is the one in use (None: everything), and it was chosen at the time `collection_since`.
    """

    canvas: Size
    frame: Frame | None = None
    answered: tuple[Answered, ...] = ()
    others: tuple[Pose, ...] = ()
    idle_photo: PlacedPhoto | None = None
    idle_poses: tuple[int, ...] = ALL_POSES
    hint: Hint | None = None
    faults: tuple[str, ...] = ()
    trouble: Message | None = None
    pictures: int = 0
    people: int = 0
    library: str = ""
    collections: tuple[str, ...] = ()
    collection: str | None = None
    collection_since: float = -math.inf

    @property
    def visitor(self) -> Pose | None:
        """The first visitor, in the frame's pixels; None while nobody is there."""
        return self.answered[0].visitor if self.answered else None

    @property
    def photo(self) -> PlacedPhoto | None:
        """The first visitor's answer; while nobody is there, the drawn visitor's."""
        return self.answered[0].photo if self.answered else self.idle_photo

    @property
    def likeness(self) -> float:
        """How alike the first visitor and the answer look, 0 to 1; 0 while nobody is there."""
        return self.answered[0].likeness if self.answered else 0.0

    @property
    def celebrated_at(self) -> float:
        """When the newest celebration began, of any visitor."""
        return max((one.celebrated_at for one in self.answered), default=-math.inf)
