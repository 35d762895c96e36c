"""Recording: from a press of the button to a GIF of the last seconds.

`recorder` counts down and collects what the screen shows in `stills`, whose poses `smoothing` calms. `gif_layout`
decides which part of the canvas two panes show, and `frames` and `gif_titles` draw them. `gif` encodes them, in the
colours of a `gif_palette`, as a file of limited size; `saving` does that in a separate process, and writes the file
completely or not at all. `replay` shows the GIF on the display.
"""
