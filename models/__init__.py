"""People in pictures: poses, how they are found, and drawn people whose poses are known exactly.

The smallest modules first; the packages build on them:

- `pose`: a pose is 17 key points with a score each. Nearly every other module uses it.
- `seen`: the scores from which a key point counts as seen.
- `processes`: how the program starts processes of its own, and ends them with itself.
- `progress`, `text`: how work reports its progress, and values as text for people.
- `estimator`: from a picture to the people in it.
- `figures`: drawn people: the demo's performer and the starter library.
- `train`: how the bundled model was trained. The mirror does not import it.
- `weights`: the bundled model's file.
"""
