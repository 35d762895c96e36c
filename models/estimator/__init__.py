"""Find the people in a picture.

In reading order, from the picture to the people:

- `estimator`: resize the picture, run the network, and return poses. `Estimator` is the class to start with.
- `posenet`: decode the network's output (heat maps and offsets) into people with 17 key points each.
- `surgery`: take Coral's decoder out of a model's file, so that any runtime can load it.

The mirror runs the estimator in a process of its own, because a driver that crashes takes its process with it:

- `watched`: `EstimatorProcess` looks like an estimator, and replaces its process when that dies or hangs.
- `supervision`: decides which device to use and when to start the next process.
- `child`: the process, and the parent's handle on it.

Where the models come from:

- `catalogue`: the models there are.
- `model_files`: find, verify and choose a model's file on this machine.
- `fetch`: download one.
"""
