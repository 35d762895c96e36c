"""Draw the README's wiring and floor plan: `python -m tools.drawings` writes both SVG files to docs/images.

Both drawings stand on a light card of their own, so that they are legible on light and on dark pages. The floor plan's
distances are computed from the camera's field of view: change a constant below, run the program, and commit what it
writes. tests/program/test_docs.py holds the committed files against this program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"

LENS_VERTICAL_DEGREES: Final = 41.0
"""The vertical field of view of a Camera Module 3, mounted in landscape (Raspberry Pi's own figure)."""

PICTURE_SHAPE: Final = 4 / 3
"""Width by height of the picture that the mirror asks for (640×480): of the lens's 66° across it keeps 53°."""

CAMERA_HEIGHT: Final = 1.5
"""Metres from the floor to the camera: about the eyes of most visitors."""

REACH_HEIGHT: Final = 2.2
"""Metres from the floor to the hands of a visitor of 1.75 m who stretches both arms up."""

REACH_WIDTH: Final = 1.75
"""Metres from hand to hand of the same visitor with both arms stretched out: about their height."""

PAPER, INK, FAINT, ACCENT, WARM, LIGHT = "#fbfaf6", "#23303d", "#8a97a3", "#0f7c8a", "#d9542b", "#f2b632"


def field_of_view(degrees: float, shape: float) -> float:
    """Return the field of view across, in degrees, of a picture that sees `degrees` from top to bottom.

    `shape` is the picture's width by its height.
    """
    return math.degrees(2 * math.atan(shape * math.tan(math.radians(degrees / 2))))


def distance_for_height(degrees: float, camera: float = CAMERA_HEIGHT, reach: float = REACH_HEIGHT) -> float:
    """Return from how many metres on a camera sees from the floor up to `reach` metres.

    The camera is `camera` metres up, sees `degrees` from top to bottom, and is tilted so that both ends fit exactly.
    """
    below, above, slope = camera, reach - camera, math.tan(math.radians(degrees))
    both = below + above
    return (both + math.sqrt(both**2 + 4 * slope**2 * below * above)) / (2 * slope)


def distance_for_width(degrees: float, width: float = REACH_WIDTH) -> float:
    """Return from how many metres on a camera that sees `degrees` across sees something `width` metres wide."""
    return width / (2 * math.tan(math.radians(degrees / 2)))


LENS_HORIZONTAL_DEGREES: Final = field_of_view(LENS_VERTICAL_DEGREES, PICTURE_SHAPE)

LANDSCAPE_DISTANCE: Final = max(distance_for_height(LENS_VERTICAL_DEGREES), distance_for_width(LENS_HORIZONTAL_DEGREES))
"""Metres from a camera in landscape to a visitor whom it sees from the floor to the raised hands."""

PORTRAIT_DISTANCE: Final = max(distance_for_height(LENS_HORIZONTAL_DEGREES), distance_for_width(LENS_VERTICAL_DEGREES))
"""The same for a camera turned upright: it sees more height and less width."""


@dataclass
class Svg:
    """An SVG drawing of `width`×`height` pixels on a light card, built up shape by shape."""

    width: int
    height: int
    title: str
    shapes: list[str] = field(default_factory=list)

    def add(self, tag: str, **attributes: object) -> None:
        """Add a shape; an underscore in an attribute's name stands for a hyphen, and numbers get one decimal."""
        self.shapes.append(f"<{tag} {_attributes(attributes)}/>")

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 2, dash: str = ""
    ) -> None:
        style = {"stroke_dasharray": dash} if dash else {}
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, stroke_linecap="round", **style)

    def rect(self, x: float, y: float, width: float, height: float, fill: str, radius: float = 4) -> None:
        self.add("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill)

    def path(self, points: str, colour: str, width: float = 3) -> None:
        self.add("path", d=points, fill="none", stroke=colour, stroke_width=width, stroke_linecap="round")

    def polygon(self, points: Iterable[tuple[float, float]], fill: str, opacity: float = 1) -> None:
        self.add(
            "polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), fill=fill, fill_opacity=f"{opacity:g}"
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 17,
        anchor: str = "start",
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        """Write lines of text, the first with its base line at `y`."""
        weight = {"font_weight": "600"} if bold else {}
        for number, line in enumerate(words.split("\n")):
            style = _attributes(
                {
                    "x": x,
                    "y": y + number * size * 1.3,
                    "font_size": size,
                    "text_anchor": anchor,
                    "fill": colour,
                    **weight,
                }
            )
            self.shapes.append(f"<text {style}>{escape(line)}</text>")

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str = INK) -> None:
        """Draw a line with a head at both ends, as dimensions have them."""
        self.line(x1, y1, x2, y2, colour, 1.5)
        angle = math.atan2(y2 - y1, x2 - x1)
        for x, y, turn in ((x1, y1, angle), (x2, y2, angle + math.pi)):
            sides = [(x + 11 * math.cos(turn + side), y + 11 * math.sin(turn + side)) for side in (-0.35, 0.35)]
            self.polygon([(x, y), *sides], colour)

    def render(self) -> str:
        """Return the file's text."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'font-family="Helvetica, Arial, Liberation Sans, sans-serif">\n<title>{escape(self.title)}</title>\n'
            f'<rect width="{self.width}" height="{self.height}" rx="16" fill="{PAPER}"/>'
        )
        return "\n".join((head, *self.shapes, "</svg>")) + "\n"


def _attributes(values: dict[str, object]) -> str:
    texts = {
        name: f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        for name, value in values.items()
    }
    return " ".join(f'{name.replace("_", "-")}="{escape(text)}"' for name, text in texts.items())


# Wiring

BOARD: Final = (250.0, 215.0, 520.0, 300.0)
"""The Pi's board in the drawing: x, y, width and height."""

FIRST_PIN: Final = (292.0, 262.0)
"""The middle of pin 1: the lower row has the odd pins, the upper one, at the board's edge, the even ones."""

PIN_PITCH: Final = 21.0

WIRED: Final = {9: INK, 11: WARM, 12: LIGHT, 14: INK}
"""The pins with a wire, and its colour."""


def pin_position(pin: int) -> tuple[float, float]:
    """Return where a physical pin (1 to 40) of the header is in the drawing."""
    x, y = FIRST_PIN
    return x + (pin - 1) // 2 * PIN_PITCH, y - (pin % 2 == 0) * PIN_PITCH


def draw_wiring() -> Svg:
    """Draw a Pi with what is connected to it: button and light, camera, display, Coral, power."""
    title = (
        "Wiring: a push button between physical pin 11 (GPIO 17) and pin 9 (ground) of a Raspberry Pi, and a light "
        "between pin 12 (GPIO 18) and pin 14 (ground)"
    )
    svg = Svg(960, 700, title)
    svg.text(32, 46, "Wiring", size=26, bold=True)
    _draw_board(svg)
    _draw_button(svg)
    _draw_light(svg)
    _draw_ribbon_camera(svg)
    _draw_cables(svg)
    return svg


def _draw_board(svg: Svg) -> None:
    x, y, width, height = BOARD
    svg.rect(x, y, width, height, "#2f7d54", 14)
    for hole in (
        (x + 18, y + 18),
        (x + 18, y + height - 18),
        (x + width - 52, y + 18),
        (x + width - 52, y + height - 18),
    ):
        svg.add("circle", cx=hole[0], cy=hole[1], r=7, fill=PAPER)
    svg.text(x + 40, y + 146, "Raspberry Pi 4 or 5", size=20, colour="white", bold=True)
    svg.rect(x + 300, y + 100, 76, 76, "#1d2730")
    first, last = pin_position(2), pin_position(39)
    svg.rect(first[0] - 13, first[1] - 13, last[0] - first[0] + 26, last[1] - first[1] + 26, "#1d2730")
    for pin in range(1, 41):
        px, py = pin_position(pin)
        svg.rect(px - 5, py - 5, 10, 10, WIRED.get(pin, "#d8b25a"), 2)
        if pin in WIRED:
            svg.add("circle", cx=px, cy=py, r=9, fill="none", stroke="white", stroke_width=2)
    for pin, dy in ((1, 28), (39, 28), (9, 28), (11, 28)):
        px, py = pin_position(pin)
        svg.text(px, py + dy, str(pin), size=14, anchor="middle", colour="white", bold=pin in (9, 11))
    for pin in (2, 40):
        px, py = pin_position(pin)
        svg.text(px, py - 32, str(pin), size=14, anchor="middle", colour=FAINT)


def _draw_button(svg: Svg) -> None:
    x, y = 306, 112
    svg.add("circle", cx=x, cy=y, r=33, fill="#39444f")
    svg.add("circle", cx=x, cy=y, r=23, fill=WARM)
    svg.text(x - 48, y - 14, "Push button, normally open\nno resistor needed", size=17, anchor="end")
    for pin, from_x, bend in ((11, x + 14, 176), (9, x - 14, 190)):
        px, py = pin_position(pin)
        gap = px - PIN_PITCH / 2  # between two pins of the upper row
        svg.path(
            f"M {px:.1f} {py:.1f} C {gap:.1f} {py - 10:.1f}, {gap:.1f} {py - 20:.1f}, {gap:.1f} {py - 34:.1f} "
            f"C {gap:.1f} {bend}, {from_x} {bend + 8}, {from_x} {y + 29}",
            WIRED[pin],
            4,
        )
    svg.text(x - 32, 164, "pin 11 = GPIO 17", anchor="end", colour=WARM, bold=True)
    svg.text(x - 32, 187, "pin 9 = ground", anchor="end", bold=True)


def _draw_light(svg: Svg) -> None:
    """Draw an LED with its resistor; its long leg is on the left."""
    x, y, long_leg, short_leg = 508, 84, 496, 521
    svg.path(f"M {long_leg} {y + 20} L {long_leg} 128", FAINT, 4)
    for pin, from_x, from_y, bend in ((12, long_leg, 162, 172), (14, short_leg, y + 20, 196)):
        px, py = pin_position(pin)
        svg.path(f"M {px:.1f} {py:.1f} C {px:.1f} {bend}, {from_x} {bend + 26}, {from_x} {from_y}", WIRED[pin], 4)
    svg.rect(long_leg - 8, 126, 16, 38, "#e4d3a7", 6)
    for band, colour in ((135, WARM), (143, WARM), (151, "#7a4a21")):  # 330 ohms: orange, orange, brown
        svg.rect(long_leg - 8, band, 16, 4, colour, 0)
    svg.add(
        "path",
        d=f"M {x - 19} {y + 16} L {x - 19} {y - 8} A 19 19 0 0 1 {x + 19} {y - 8} L {x + 19} {y + 16} Z",
        fill=LIGHT,
    )
    svg.rect(x - 23, y + 14, 46, 8, "#d39a1d", 2)
    svg.text(x + 44, y - 2, "Light (LED), if you like,\nwith a resistor of 330 Ω", size=17)
    svg.text(x + 44, 164, "pin 12 = GPIO 18, to the long leg", colour="#9a6a00", bold=True)
    svg.text(x + 44, 187, "pin 14 = ground, to the short leg", bold=True)


def _draw_ribbon_camera(svg: Svg) -> None:
    x, y, _, height = BOARD
    svg.rect(x + 270, y + height - 44, 100, 16, "#efe9dc")
    svg.polygon([(x + 284, y + height - 30), (x + 356, y + height - 30), (x + 356, 590), (x + 284, 590)], "#d9d3c4")
    for step in range(5):
        svg.line(x + 294 + 13 * step, y + height - 24, x + 294 + 13 * step, 588, "#b9b2a1", 1)
    svg.rect(x + 270, 584, 100, 84, "#2f7d54", 8)
    svg.add("circle", cx=x + 320, cy=626, r=25, fill="#1d2730")
    svg.add("circle", cx=x + 320, cy=626, r=11, fill="#48677f")
    svg.text(x + 386, 622, "Pi camera by its ribbon cable", size=17)
    svg.text(x + 386, 646, "(or a USB webcam)", size=17, colour=FAINT)


def _draw_cables(svg: Svg) -> None:
    x, y, width, height = BOARD
    for top, colour in ((y + 92, "#1f5fbf"), (y + 152, "#9aa4ad"), (y + 212, "#9aa4ad")):
        svg.rect(x + width - 66, top, 78, 54, "#c6ccd2")
        svg.rect(x + width - 4, top + 12, 12, 34, colour, 2)
    svg.path(f"M {x + width + 12} {y + 121} L 836 {y + 121}", "#39444f", 5)
    svg.rect(836, 296, 92, 80, "#e7ebee", 10)
    svg.text(882, 342, "Coral", size=18, anchor="middle", bold=True)
    svg.text(928, 412, "USB Accelerator\n(optional), in a\nblue USB 3 port", size=16, anchor="end", colour=INK)
    svg.rect(x + 40, y + height - 26, 52, 26, "#c6ccd2")
    svg.path(f"M {x + 66} {y + height} C {x + 66} 560, 170 560, 170 600", "#39444f", 5)
    svg.rect(130, 600, 80, 54, "#39444f", 8)
    svg.text(120, 618, "Pi's own\npower supply", size=16, anchor="end")
    svg.rect(x + 130, y + height - 24, 42, 24, "#c6ccd2")
    svg.path(f"M {x + 151} {y + height} C {x + 151} 560, 330 560, 330 590", "#39444f", 5)
    svg.rect(250, 590, 160, 82, "#1d2730", 6)
    svg.rect(258, 598, 144, 66, "#5fa8b3", 3)
    svg.text(330, 638, "display (HDMI)", size=17, anchor="middle", colour="white", bold=True)


# Floor plan

SCALE: Final = 150.0
"""Pixels a metre."""

WALL: Final = 96.0
"""Where the display's wall is, in pixels from the left."""

ROOM: Final = 5.3
"""Metres from the display's wall to the wall behind the visitor."""

FLOOR: Final = 452.0
AXIS: Final = 770.0
"""The floor in the side view, and the line of sight in the view from above, in pixels from the top."""


def draw_floor_plan() -> Svg:
    """Draw where display, camera, visitor, light and others go: from the side, and from above."""
    svg = Svg(960, 1010, "Floor plan: where the display, the camera, the visitor, the light and other people go")
    svg.text(32, 46, "Where to put it", size=26, bold=True)
    _draw_side_view(svg)
    _draw_view_from_above(svg)
    return svg


def _along(metres: float) -> float:
    return WALL + metres * SCALE


def _draw_side_view(svg: Svg) -> None:
    svg.text(32, 78, "from the side", colour=FAINT)
    eye = FLOOR - CAMERA_HEIGHT * SCALE
    down = math.atan(CAMERA_HEIGHT / LANDSCAPE_DISTANCE)
    up = math.radians(LENS_VERTICAL_DEGREES) - down
    far = ROOM
    top = (eye - 112) / SCALE / math.tan(up)
    cone = [
        (_along(0.06), eye),
        (_along(top), 112),
        (_along(far), 112),
        (_along(far), FLOOR),
        (_along(LANDSCAPE_DISTANCE), FLOOR),
    ]
    svg.polygon(cone, ACCENT, 0.13)
    svg.line(WALL - 10, FLOOR, _along(ROOM), FLOOR, INK, 3)
    svg.line(_along(ROOM), 112, _along(ROOM), FLOOR, INK, 6)
    svg.line(WALL - 10, 112, WALL - 10, FLOOR, INK, 6)
    svg.rect(WALL - 7, FLOOR - 1.95 * SCALE, 11, 1.15 * SCALE, "#1d2730", 2)
    svg.add("circle", cx=WALL + 8, cy=eye, r=7, fill=ACCENT)
    svg.text(WALL + 14, eye - 66, "camera at eye height, 1.5 m,\ntilted down a little", size=16, colour=ACCENT)
    svg.text(WALL + 14, FLOOR - 84, "display", size=16)
    _draw_lamp(svg, _along(1.5), 112, _along(LANDSCAPE_DISTANCE) - 24, eye - 30)
    svg.text(_along(1.5) + 30, 118, "light from in front, on the visitor", size=16, colour="#9a6a00")
    _draw_visitor(svg, _along(LANDSCAPE_DISTANCE))
    for distance, words, rise in (
        (LANDSCAPE_DISTANCE, "camera in landscape", 0),
        (PORTRAIT_DISTANCE, "camera upright", 32),
    ):
        y = FLOOR + 34 + rise
        svg.line(_along(distance), FLOOR - 6, _along(distance), y + 8, ACCENT, 1.5, "4 4")
        svg.arrow(WALL, y, _along(distance), y, ACCENT)
        svg.text(_along(distance) + 12, y + 6, f"{_round_up(distance):.1f} m, {words}", size=16, colour=ACCENT)


def _round_up(metres: float) -> float:
    return math.ceil(metres * 10 - 1e-6) / 10


def _draw_visitor(svg: Svg, x: float) -> None:
    """Draw a visitor of 1.75 m seen from the side, one arm stretched up."""
    head = FLOOR - 1.63 * SCALE
    hip, shoulder = FLOOR - 0.92 * SCALE, FLOOR - 1.42 * SCALE
    svg.add("circle", cx=x, cy=head, r=0.115 * SCALE, fill=INK)
    for x1, y1, x2, y2, width in (
        (x, shoulder + 8, x, hip, 26),
        (x - 4, hip, x - 10, FLOOR - 8, 15),
        (x + 4, hip, x + 12, FLOOR - 8, 15),
        (x, shoulder + 4, x - 20, shoulder - 0.35 * SCALE, 12),
        (x - 20, shoulder - 0.35 * SCALE, x - 12, FLOOR - REACH_HEIGHT * SCALE + 8, 11),
    ):
        svg.line(x1, y1, x2, y2, INK, width)


def _draw_lamp(svg: Svg, x: float, y: float, to_x: float, to_y: float) -> None:
    svg.polygon([(x, y), (to_x, to_y - 46), (to_x, to_y + 70)], LIGHT, 0.22)
    svg.add("circle", cx=x, cy=y, r=15, fill=LIGHT)


def _draw_view_from_above(svg: Svg) -> None:
    svg.text(32, 566, "from above", colour=FAINT)
    far, half = ROOM, math.tan(math.radians(LENS_HORIZONTAL_DEGREES / 2))
    reach = far * half * SCALE
    clipped = min(reach, 190.0)
    at = clipped / half
    svg.polygon(
        [
            (_along(0.06), AXIS),
            (WALL + at, AXIS - clipped),
            (_along(far), AXIS - clipped),
            (_along(far), AXIS + clipped),
            (WALL + at, AXIS + clipped),
        ],
        ACCENT,
        0.13,
    )
    svg.line(WALL - 10, 590, WALL - 10, 950, INK, 6)
    svg.rect(WALL - 7, AXIS - 0.55 * SCALE, 11, 1.1 * SCALE, "#1d2730", 2)
    svg.add("circle", cx=WALL + 8, cy=AXIS, r=7, fill=ACCENT)
    for side in (-1, 1):
        lamp = AXIS + side * 150
        svg.polygon(
            [
                (_along(0.5), lamp),
                (_along(LANDSCAPE_DISTANCE), AXIS + side * 78),
                (_along(LANDSCAPE_DISTANCE), AXIS - side * 26),
            ],
            LIGHT,
            0.22,
        )
        svg.add("circle", cx=_along(0.5), cy=lamp, r=15, fill=LIGHT)
    svg.text(_along(0.5) + 26, AXIS - 160, "lamps or windows in front", size=16, colour="#9a6a00")
    x = _along(LANDSCAPE_DISTANCE)
    svg.add("circle", cx=x, cy=AXIS, r=44, fill="none", stroke=ACCENT, stroke_width=2.5, stroke_dasharray="7 6")
    svg.add("ellipse", cx=x, cy=AXIS, rx=13, ry=33, fill=INK)
    svg.add("circle", cx=x, cy=AXIS, r=16, fill="#41505e")
    svg.text(x, AXIS + 70, "a mark on the floor", size=16, anchor="middle")
    line = _along(4.15)
    svg.line(line, 600, line, 948, WARM, 4, "12 9")
    svg.text(line - 12, 928, "others wait behind this line", size=16, anchor="end", colour=WARM)
    for px, py in ((line + 40, 690), (line + 50, 850)):
        svg.add("ellipse", cx=px, cy=py, rx=12, ry=29, fill=FAINT)
        svg.add("circle", cx=px, cy=py, r=14, fill="#a9b3bc")
    back = _along(ROOM)
    svg.line(back, 590, back, 950, INK, 6)
    svg.text(
        32,
        984,
        "A plain wall behind, without a window or a lamp: against the light a visitor is only a shadow.",
        size=16,
    )
    for y in range(600, 950, 24):
        svg.line(back + 4, y, back + 16, y + 12, FAINT, 1)


DRAWINGS: Final[dict[str, Callable[[], Svg]]] = {"wiring.svg": draw_wiring, "floor-plan.svg": draw_floor_plan}


def main() -> None:
    """Write every drawing to docs/images."""
    for name, draw in DRAWINGS.items():
        (IMAGES / name).write_text(draw().render(), encoding="utf-8")
        print(IMAGES / name)


if __name__ == "__main__":
    main()
