"""How the repertoire writes poses down: a title, a kind, and a stance made from limbs and the trunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.figures.ease import ArmFamily, LegFamily, Limb, with_arms, with_legs
from models.figures.stance import Stance, make_stance

Kind = Literal["sport", "yoga", "dance", "fight", "acting", "everyday"]
Prop = Literal[
    "racket", "bat", "club", "foil", "ball", "football", "frisbee", "barbell", "skis", "board", "surfboard",
    "skateboard", "stool", "chair", "wheelchair", "phone", "cup", "book", "bag", "bags", "case", "umbrella", "parcel",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """A named pose, with what belongs to it.

    `legs` and `arms` name families that vary it; the arms of the `free_sides` are of the family.
    """

    title: str
    kind: Kind
    stance: Stance
    props: tuple[Prop, ...] = ()
    legs: LegFamily | None = None
    arms: ArmFamily | None = None
    free_sides: tuple[str, ...] = ()

    def sample_stance(self, rng: np.random.Generator) -> Stance:
        """Return the stance with random legs and arms of its families."""
        stance = self.stance
        if self.legs:  # it has the family's first legs, so their trunk angles are subtracted before others are added
            stance = with_legs(stance - with_legs(make_stance(), self.legs) + make_stance(), self.legs, rng)
        return with_arms(stance, self.arms, self.free_sides, rng) if self.arms else stance


def movement(
    title: str,
    kind: Kind,
    *,
    both: Limb | None = None,
    left: Limb | None = None,
    right: Limb | None = None,
    props: tuple[Prop, ...] = (),
    legs: LegFamily | None = None,
    arms: ArmFamily | None = None,
    **trunk: float,
) -> Movement:
    """Return a movement made from limbs (`both` sides, then `left` and `right`) and angles of the trunk (see `stance`).

    `legs` names a family, and `arms` the family for the sides without arm angles of their own. This function has many
    keywords, because the repertoire's tables read as lists of them.
    """
    angles = dict(trunk)
    for side, own in (("left", left), ("right", right)):
        angles |= {f"{side}_{name}": value for name, value in {**(both or {}), **(own or {})}.items()}
    stance = make_stance(**angles)
    free = tuple(side for side in ("left", "right") if f"{side}_arm" not in angles) if arms else ()
    if legs:
        stance = with_legs(stance, legs)
    if arms:
        stance = with_arms(stance, arms, free)
    return Movement(title, kind, stance, props, legs, arms, free)


def limb(*parts: Limb, **angles: float) -> Limb:
    """Return a limb made from other limbs and its own angles; later ones override earlier ones."""
    combined: dict[str, float] = {}
    for part in parts:
        combined |= part
    return combined | angles


OFF: Final = limb(planted=0)
"""A foot that is not on the floor."""
TIPTOE: Final = limb(heel=45)
STRAIGHT: Final = limb(elbow=3, grip=0)
FIST: Final = limb(grip=1)
OUT: Final = limb(STRAIGHT, arm=90)
UP: Final = limb(STRAIGHT, arm=174, plane=70)
AHEAD: Final = limb(STRAIGHT, arm=88, plane=88)
BACK: Final = limb(STRAIGHT, arm=45, plane=-75)
V_UP: Final = limb(STRAIGHT, arm=142, plane=12)
CACTUS: Final = limb(arm=90, elbow=88, roll=88, grip=0)
ON_HIP: Final = limb(arm=55, plane=-25, roll=-62, elbow=108, grip=0.35, wrist=30)
ON_CHIN: Final = limb(arm=54, plane=107, roll=-63, elbow=140, grip=0.9)
AT_EAR: Final = limb(arm=108, plane=72, roll=-25, elbow=148, grip=0.7)
BEHIND_HEAD: Final = limb(arm=160, plane=35, roll=72, elbow=132, grip=0.2)
SALUTE: Final = limb(arm=108, plane=34, roll=21, elbow=138, grip=0)
PRAYER: Final = limb(arm=32, plane=71, roll=-60, elbow=126, grip=0, wrist=-40)
FOLDED: Final = limb(arm=27, plane=117, roll=-70, elbow=99, grip=0.3)
FACEPALM: Final = limb(arm=72, plane=94, roll=-41, elbow=131, grip=0.2)
POCKET: Final = limb(arm=31, plane=-14, roll=-58, elbow=62, grip=0.6)
HOLDING: Final = limb(arm=33, plane=46, roll=-38, elbow=92, grip=0.6)
GUARD: Final = limb(arm=58, plane=80, roll=-30, elbow=128, grip=1)
SHUSH: Final = limb(arm=64, plane=104, roll=-47, elbow=127, grip=0.8)
CLASPED: Final = limb(arm=22, plane=61, roll=-78, elbow=62, grip=0.5)
BEHIND: Final = limb(arm=42, plane=-57, roll=-78, elbow=98, grip=0.4)
AT_MOUTH: Final = limb(arm=63, plane=102, roll=-51, elbow=138, grip=1)
HUGGING: Final = limb(arm=39, plane=133, roll=-85, elbow=103, grip=0.2)
AT_EYE: Final = limb(arm=87, plane=69, roll=-27, elbow=133, grip=0.8)
OVAL: Final = limb(arm=150, plane=25, roll=40, elbow=48, grip=0.1)
"""An arm overhead, as in ballet's fifth position."""
RING: Final = limb(arm=50, plane=62, roll=-50, elbow=52, grip=0.1)
"""An arm in front of the body, as in ballet's first position."""
