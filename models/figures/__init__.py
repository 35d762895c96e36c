"""Drawn people with exact key points: the performer, the starter library's pictures, and what they are made of.

`stance` (angles and limits) → `skeleton` (3-D, on the floor) → `body`, `head`, `props` (solids) → `solids` (what a
`camera` sees of them) → `paint` (light, faces, shadows, on a background of `indoors` or `outdoors`).
"""

from models.figures.performer import perform
from models.figures.pictures import REPERTOIRE, Picture, picture

__all__ = ["REPERTOIRE", "Picture", "perform", "picture"]
