"""The display: opening it, and drawing everything that a visitor sees.

Read the modules in this order to follow one picture to the display: `screen` is the interface to the rest of the
program; `panel` opens the display and notices when it is unplugged; `scene` composes a whole picture from a `View`;
`backdrop` paints the photo, `draw` the pieces on top of it, `attract` what is shown while no visitor is there, and
`lettering` the words, in fonts that `fonts` finds. `outline` tells what of a photo's person must be on
the display, `layout` computes where the photo lies so that it is, and that the person stands where the visitor stands;
`continuation` draws the photo there, and what continues it beyond its edge. `figure` draws a person from a pose, which
`figure_body` completes; `drawn_visitor` moves one.
"""
