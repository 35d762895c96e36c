"""People in pictures: poses, how they are found, and drawn people whose poses are known exactly.

The smallest modules first; the packages build on them:

- `pose`: a pose is 17 key points with a score each. Nearly every other module uses it.
- `seen`: the scores from which a key point counts as seen.
- `processes`: start processes of the program, and end them when the program ends.
- `progress`: how long work reports its progress.
- `text`: format values for people to read.
- `estimator`: from a picture to the people in it.
- `figures`: drawn people: the demo's performer and the starter library.
- `train`: how the bundled model was trained. The mirror does not import it.
- `weights`: the bundled model's file.
"""
