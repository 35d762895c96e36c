"""Drawn people with exact key points: the performer, the starter library's pictures, and what they are made of.

`stance` (angles and limits; `ease`: how people vary them) → `skeleton` (3-D, on the floor) → `body`, `head`, `props`
(solids) → `forms`, `solids` (what a `camera` sees of them) → `shade`, `edges`, `shadow` (light and lines, in one of
the `styles`) → `paint` (on a background of `indoors` or `outdoors`) → `pictures` (who, where, from which `view`).
"""

from models.figures.routine import perform
from models.figures.starter_pictures import REPERTOIRE, Picture, draw_picture

__all__ = ["REPERTOIRE", "Picture", "draw_picture", "perform"]
