"""Cameras: from a device to the frames that the mirror works on.

Read the modules in this order to follow one frame from a camera to the people in it:

1. `base` is the contract: what a `Frame` holds, what every `Camera` promises, how to write a driver, and
   `mirror_frame`, the one place where pictures are mirrored.
2. The drivers:
   - `usb` reads USB cameras, and `v4l2` finds them and explains why one cannot be used;
   - `pi` reads the Raspberry Pi's own camera;
   - `playback` plays videos, pictures and folders of pictures;
   - `performer` plays a drawn figure, for a mirror without a camera.
   A device delivers frames at its own pace, so `live` reads it in a thread. A video is read when its next frame is due,
   which `paced` works out.
3. `opening` picks the driver for the `source` in the configuration.
4. `watch` keeps that camera open, and opens it again after it was unplugged.

`device.mirror` then asks the camera for its latest frame and mirrors it. It hands `Frame.small` to
`models.estimator.watched`, which passes it to a separate process, where `models.estimator.estimator` returns the
people.
"""
