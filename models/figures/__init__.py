"""Drawn people with exact key points: the performer of the demo, and the pictures of the starter library.

In reading order, from an angle to a picture:

- `stance`: the angles of all joints, with their limits. `movement` writes named stances down; `ease` varies them.
- `daily`, `life`, `sports`, `stage`: the repertoire, 367 named movements.
- `freedom`, `combine`, `titles`: thousands of other poses, with each arm and leg free of the other.
- `skeleton`: from a stance to the 3-D places of the joints, with the figure on the floor.
- `look`, `wardrobe`: skin, hair and clothes.
- `figure_builder`, `body`, `head`, `props`, `rides`: the solids of a dressed person, and of what they hold, sit on or
  stand on.
- `projection`: the camera. `forms` projects solids, and `solids` draws them into a depth buffer.
- `shade`, `face`, `edges`, `shadow`: light, faces, contours and shadows, in one of the `styles`.
- `brush`, `indoors`, `outdoors`: backgrounds.
- `painting`: all of this in one picture.
- `view`, `starter_pictures`: people, views and scenes for the starter library (`draw_picture`), by the recipes in
  `recipes.txt`, the most useful first.
- `routine`: the performer's film (`perform`).
"""

from models.figures.routine import perform
from models.figures.starter_pictures import REPERTOIRE, Picture, draw_picture

__all__ = ["REPERTOIRE", "Picture", "draw_picture", "perform"]
