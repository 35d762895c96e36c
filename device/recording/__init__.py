"""Recording: from a press of the button to a GIF of the last seconds.

`recorder` counts down and collects what the screen shows. `gif` turns such a recording into a GIF file of limited size.
`saving` does that in a separate process, and writes the file completely or not at all.
"""
