"""Training's scenes: people drawn as the starter library's are, whose key points are where they are said to be."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed: pip install numba")

from models.figures import solids
from models.figures.body import FigureBuilder, add_body
from models.figures.head import add_head
from models.figures.look import MATERIALS_PER_PERSON, Look, Material
from models.figures.movement import Movement
from models.figures.projection import Camera
from models.figures.props import add_prop
from models.figures.skeleton import Build, pose_skeleton
from models.figures.stance import make_stance
from models.figures.starter_pictures import REPERTOIRE, Picture
from models.figures.view import is_upright
from models.pose import Floats, Image, Pose
from models.train import bank as banks
from models.train import costume, gallery
from models.train import studio as scene
from models.train.bank import Bank, Figure, PlacedFigure, make_figure
from models.train.buffers import NOBODY, Buffers, Projection
from models.train.gallery import FIRST_NUMBER, MAX_SIDE, Gallery
from models.train.light import (
    BROW,
    FOLDS,
    GLASSES,
    PATTERN,
    STRIPES,
    Appearance,
    Lamp,
    Lighting,
    make_textures,
    shade_people,
    soften_outlines,
)
from models.train.studio import (
    MAX_PEOPLE,
    SceneGenerator,
    aim_camera,
    mark_hidden,
    place_people,
    project_keypoints,
    render_people,
)

SIZE = 161
PLAIN = Look(hair_style="cropped", socks=0.4)
DRESSED = Look(hair_style="bob", legs="dress", hem=0.9)
MOVEMENTS = {one.title: one for one in REPERTOIRE}
STANDING = make_stance()
NOSE, EYES = 0, [1, 2]
TRUNK_AND_LIMBS = [5, 6, 7, 8, 11, 12, 13, 14]
"""Shoulders, elbows, hips and knees."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def camera(azimuth: float = 0, elevation: float = 5, distance: float = 4, height: float = 0.9) -> Camera:
    """One that has the whole of somebody at the origin in the picture."""
    middle = ((SIZE - 1) / 2, (SIZE - 1) / 2)
    focal = 0.42 * SIZE * distance
    return Camera.around(
        np.array([0, height, 0]), middle, azimuth=azimuth, elevation=elevation, distance=distance, focal=focal
    )


def at(one: Figure, x: float = 0, z: float = 0, turned: bool = False) -> PlacedFigure:
    """Somebody in a scene, facing the camera or with their back to it."""
    turn = np.diag([-1, 1, -1] if turned else [1, 1, 1]).astype(np.float32)
    return PlacedFigure(one, turn, np.array([x, 0, z], np.float32))


def seen(*people: PlacedFigure, by: Camera) -> Buffers:
    return render_people([somebody.in_camera_axes(by) for somebody in people], Projection.from_camera(by), SIZE)


def keypoints(*people: PlacedFigure, by: Camera) -> Floats:
    """P×17×3, as `Scene.people`."""
    near = seen(*people, by=by).depth
    return np.stack([project_keypoints(somebody.in_camera_axes(by).keypoints, by, near) for somebody in people])


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank(rng(5), 24)


@pytest.fixture(scope="module")
def somebody() -> Figure:
    return make_figure(pose_skeleton(STANDING, Build()), PLAIN)


@pytest.fixture(scope="module")
def studio(bank: Bank) -> SceneGenerator:
    return SceneGenerator(bank, None, 3)


@pytest.fixture(scope="module", autouse=True)
def compiled(studio: SceneGenerator, somebody: Figure) -> None:
    """Compiling takes seconds where it was not done before: no test's time is to be taken up by it."""
    studio.paint_people(np.zeros((SIZE, SIZE, 3), np.float32), [at(somebody)], camera())


# the renderer


def as_figures_draw(movements: list[Movement], by: Camera, apart: float) -> tuple[Floats, Image]:
    """Nearness and material of people side by side, as the starter library's pictures have them."""
    made = solids.Solids()
    for number, one in enumerate(movements):
        standing = pose_skeleton(one.stance, PLAIN.build)
        for name, point in standing.points.items():
            standing.points[name] = point + np.array([number * apart, 0, 0])
        tailor = FigureBuilder(made, standing, PLAIN, number * MATERIALS_PER_PERSON, False)
        add_body(tailor)
        add_head(tailor)
        for prop in one.props:
            add_prop(tailor, prop)
    part = solids.draw(made, made.project(by), SIZE, SIZE)
    assert part is not None
    near, material = np.full((SIZE, SIZE), solids.EMPTY_NEARNESS), np.zeros((SIZE, SIZE), np.uint8)
    rows, columns = part.material.shape
    window = slice(part.top, part.top + rows), slice(part.left, part.left + columns)
    near[window], material[window] = part.nearness, part.material
    return near, material


@pytest.mark.parametrize("by", [camera(0), camera(70, 20), camera(160, 35, 2.5)], ids=["front", "side", "back"])
@pytest.mark.parametrize("first", range(0, len(REPERTOIRE), len(REPERTOIRE) // 6))
def test_solids_are_drawn_as_the_starter_library_s_are(first: int, by: Camera) -> None:
    movements = [REPERTOIRE[first], REPERTOIRE[-first - 1]]
    near, material = as_figures_draw(movements, by, 0.5)
    people = [
        at(make_figure(pose_skeleton(one.stance, PLAIN.build), PLAIN, one), 0.5 * number)
        for number, one in enumerate(movements)
    ]
    ours = seen(*people, by=by)
    there = ours.tags != NOBODY
    assert there.sum() > 500
    assert ((material > 0) == there).mean() > 0.999
    both = there & (material > 0)
    assert (ours.tags == material)[both].mean() > 0.995
    assert (np.abs(ours.depth - near)[both] < 0.002).mean() > 0.99  # where nothing melts a tenth and more are off


def test_normals_are_of_unit_length_and_point_to_the_camera(somebody: Figure) -> None:
    made = seen(at(somebody), by=camera(30))
    there = made.tags != NOBODY
    lengths = np.linalg.norm(made.normals[there], axis=1)
    assert np.median(np.abs(lengths - 1)) < 1e-5
    assert lengths.max() < 1.001
    assert made.normals[there][:, 2].min() > -1e-6
    assert not made.normals[~there].any()


def test_nothing_is_drawn_of_whoever_is_behind_the_camera_or_beside_the_picture(somebody: Figure) -> None:
    for place in (at(somebody, z=9), at(somebody, x=30)):
        assert (seen(place, by=camera()).tags == NOBODY).all()


def test_of_two_people_the_nearer_one_is_seen_whoever_is_drawn_first(somebody: Figure) -> None:
    back, front = at(somebody, z=-1), at(somebody, z=0.5)
    for number, cast in enumerate([(front, back), (back, front)]):
        material = seen(*cast, by=camera()).tags
        shown = Counter((material[material != NOBODY] // MATERIALS_PER_PERSON).tolist())
        assert shown[number] > 5 * shown[1 - number]


# key points


def test_shoulders_elbows_hips_and_knees_that_are_seen_lie_on_whoever_they_belong_to(bank: Bank) -> None:
    inside, counted = 0, 0
    for number in range(40):
        dice = rng(number)
        cast = place_people(dice, [bank.pick(dice)])
        by = aim_camera(dice, cast, SIZE)
        what = seen(*cast, by=by).tags
        points = keypoints(*cast, by=by)[0, TRUNK_AND_LIMBS]
        x, y = np.round(points[points[:, 2] == 2, :2]).astype(int).T
        inside, counted = inside + int((what[y, x] != NOBODY).sum()), counted + len(x)
    assert counted > 100
    assert inside >= 0.99 * counted


def test_a_key_point_is_in_the_picture_just_where_it_is_one_at_all(bank: Bank) -> None:
    states: Counter[float] = Counter()
    for number in range(40):
        dice = rng(number)
        cast = place_people(dice, [bank.pick(dice) for _ in range(1 + number % 3)])
        points = keypoints(*cast, by=aim_camera(dice, cast, SIZE))
        outside = ((points[..., :2] < -0.5) | (points[..., :2] > SIZE - 0.5)).any(-1)
        assert not points[outside, 2].any()
        assert points[:, 5:, 2][~outside[:, 5:]].all()
        assert set(points[:, :5, 2].ravel().tolist()) <= {0, 2}
        states.update(points[..., 2].ravel().tolist())
    assert min(states[state] for state in (0, 1, 2)) > 20


def test_the_face_of_somebody_who_shows_their_back_is_not_to_be_seen(somebody: Figure) -> None:
    front, back = (keypoints(at(somebody, turned=turned), by=camera())[0, :, 2] for turned in (False, True))
    assert (front[[NOSE, *EYES]] == 2).all()
    assert (back[[NOSE, *EYES]] == 0).all()
    assert (back[5:] == 2).all()


def test_left_is_the_person_s_own(somebody: Figure) -> None:
    front, back = (keypoints(at(somebody, turned=turned), by=camera())[0, :, 0] for turned in (False, True))
    assert (front[5::2] > front[6::2]).all()
    assert (back[5::2] < back[6::2]).all()


def test_whoever_stands_behind_somebody_is_hidden_and_has_no_face(somebody: Figure) -> None:
    by = camera(elevation=0, distance=6)
    front, back = keypoints(at(somebody, z=1.2), at(somebody), by=by)[..., 2]
    assert (front == 2).all()
    assert (back[[5, 6, 11, 12]] == 1).all()
    assert (back[[NOSE, *EYES]] == 0).all()


def test_what_stands_before_people_hides_joints_and_takes_faces_away() -> None:
    people = np.zeros((1, 17, 3), np.float32)
    people[0, :, :2] = np.arange(17)[:, None] * 5
    people[0, :, 2] = 2
    people[0, 10, 2] = 0
    covered = np.zeros((SIZE, SIZE), np.bool_)
    covered[:12] = covered[48:62] = True
    mark_hidden(people, covered)
    assert people[0, :, 2].tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 0, 1, 1, 2, 2, 2, 2]


# light


@pytest.fixture(scope="module")
def grain() -> Floats:
    return make_textures(1)


def lit(
    people: list[PlacedFigure], by: Camera, grain: Floats, dressed: Appearance, lamp: Lamp, ground: float = 7
) -> Floats:
    picture = np.full((SIZE, SIZE, 3), ground, np.float32)
    made = seen(*people, by=by)
    lighting = Lighting(lamp, np.ones((SIZE, SIZE), np.float32))
    shade_people(picture, made, dressed, grain, lighting, Projection.from_camera(by))
    return picture


def white(people: int = 1) -> Appearance:
    """Everybody and all they wear white and without folds."""
    cloths = np.zeros((people, MATERIALS_PER_PERSON, 8), np.float32)
    heads = np.zeros((people, 19), np.float32)
    return Appearance(np.full((people, MATERIALS_PER_PERSON, 3), 150, np.float32), cloths, heads)


def lamp_from(x: float, y: float, z: float) -> Lamp:
    way = np.array([x, y, z], np.float32)
    return Lamp(way / np.linalg.norm(way), 0.3, 0.3, np.ones((2, 3), np.float32))


def test_only_people_are_lit(somebody: Figure, grain: Floats) -> None:
    what = seen(at(somebody), by=camera()).tags
    picture = lit([at(somebody)], camera(), grain, white(), lamp_from(0, 1, 1))
    assert (picture[what == NOBODY] == 7).all()
    assert (picture[what != NOBODY] > 7).all()
    assert picture.max() <= 255


def test_the_side_where_the_lamp_is_is_the_brighter_one(somebody: Figure, grain: Floats) -> None:
    made = seen(at(somebody), by=camera())
    to_right = made.normals[..., 0]
    for side in (-1, 1):
        picture = lit([at(somebody)], camera(), grain, white(), lamp_from(side, 0.2, 0.2))[..., 0]
        assert picture[to_right * side > 0.6].mean() > 1.5 * picture[to_right * side < -0.6].mean()


def test_a_face_is_on_the_front_of_a_head_and_sunglasses_are_dark(somebody: Figure, grain: Floats) -> None:
    by = camera(elevation=0, height=1.62, distance=1.0)
    skin, dark = {}, {}
    for name, turned, glasses in (("front", False, 0), ("back", True, 0), ("glasses", False, 2)):
        place = at(somebody, turned=turned)
        worn = white()
        worn.heads[0] = costume.sample_face(rng(), place.in_camera_axes(by), worn.palette[0])
        worn.heads[0, GLASSES] = glasses
        picture = lit([place], by, grain, worn, lamp_from(0, 0.3, 1))[..., 0]
        what = seen(place, by=by).tags
        skin[name] = picture[what == Material.SKIN]
        x, y = keypoints(place, by=by)[0, 1, :2].round().astype(int)
        dark[name] = picture[y, x]
    assert (skin["front"] < 60).any()
    assert not (skin["back"] < 60).any()
    assert dark["glasses"] < 60


def test_a_pattern_has_two_colours(somebody: Figure, grain: Floats) -> None:
    worn = white()
    worn.cloths[0, Material.TOP, : FOLDS + 1] = (STRIPES, 12, 0, 0, 0, 0)
    top = seen(at(somebody), by=camera()).tags == Material.TOP
    share = (lit([at(somebody)], camera(), grain, worn, lamp_from(0, 0, 1))[top, 0] < 1).mean()
    assert 0.2 < share < 0.5
    worn.cloths[0, Material.TOP, PATTERN] = 0
    assert (lit([at(somebody)], camera(), grain, worn, lamp_from(0, 0, 1))[top, 0] > 1).all()


def test_only_outlines_are_softened(somebody: Figure) -> None:
    made = seen(at(somebody), by=camera())
    there = made.tags != NOBODY
    picture = np.where(there, 200, 0)[..., None].repeat(3, 2).astype(np.float32)
    before = picture.copy()
    soften_outlines(picture, made.depth, made.tags, np.empty_like(picture))
    changed = (picture != before).any(2)
    near_edge = cv2.morphologyEx(there.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert changed.sum() > 100
    assert not changed[~near_edge].any()


# who there is, and what they wear


def test_most_people_are_in_recorded_poses_where_there_are_any_and_the_others_in_named_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = np.stack([pose_skeleton(MOVEMENTS[title].stance, Build()).keypoints() for title in list(MOVEMENTS)[:3]])
    hips = recorded[:, [11, 12]].mean(1, keepdims=True)
    used = []
    plain = banks.skeleton_from_joints
    monkeypatch.setattr(banks, "skeleton_from_joints", lambda *given: used.append(given) or plain(*given))
    made = Bank(rng(1), 20, (recorded - hips).astype(np.float32))
    assert len(made.people) == 20
    count = len(used)
    assert 6 <= count <= 17
    Bank(rng(1), 3)
    assert len(used) == count


def test_a_shaken_pose_keeps_its_trunk_and_the_lengths_of_its_limbs() -> None:
    joints = rng(3).normal(size=(17, 3)).astype(np.float32)
    mirrored = 0
    for seed in range(12):
        shaken = banks._vary_joints(joints, rng(seed))
        turned = not np.allclose(shaken[5], joints[5], atol=1e-6)
        mirrored += turned
        before = joints[banks.MIRROR_ORDER] * (-1, 1, 1) if turned else joints
        assert np.allclose(shaken[[0, 1, 2, 3, 4, 5, 6, 11, 12]], before[[0, 1, 2, 3, 4, 5, 6, 11, 12]], atol=1e-5)
        for start, end in ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16)):
            long = np.linalg.norm(before[end] - before[start])
            assert np.linalg.norm(shaken[end] - shaken[start]) == pytest.approx(long, abs=1e-5)
    assert 0 < mirrored < 12


def test_renewing_a_bank_keeps_its_size_and_growing_adds_to_it() -> None:
    made = Bank(rng(2), 4)
    before = list(made.people)
    made.renew(2)
    assert len(made.people) == 4
    assert 1 <= sum(one is not other for one, other in zip(made.people, before, strict=True)) <= 2
    made.grow(3)
    assert len(made.people) == 7
    assert any(made.pick(rng(1)) is one for one in made.people)


def test_only_upright_people_wear_skirts_and_dresses(bank: Bank) -> None:
    lying = next(one for one in REPERTOIRE if not is_upright(pose_skeleton(one.stance)))
    assert make_figure(pose_skeleton(STANDING), DRESSED).look.legs == "dress"
    assert make_figure(pose_skeleton(lying.stance), DRESSED).look.legs == "leggings"
    assert {one.look.legs for one in bank.people} & {"skirt", "dress"}


def test_somebody_stands_on_the_floor_and_their_solids_are_about_their_key_points(bank: Bank) -> None:
    for one in bank.people:
        low, high = one.rows[:, :6].reshape(-1, 3).min(0), one.rows[:, :6].reshape(-1, 3).max(0)
        assert low[1] > -0.12
        assert (one.keypoints > low - 0.1).all()
        assert (one.keypoints < high + 0.1).all()
        assert np.allclose(one.head[1:] @ one.head[1:].T, np.eye(3), atol=1e-5)
        assert one.keypoints[NOSE] @ one.head[3] > one.head[0] @ one.head[3]
        assert 0.6 < one.head_scale < 1.3


def test_what_people_wear_goes_together() -> None:
    barefoot = make_figure(pose_skeleton(STANDING), Look(shoes=None))
    for seed in range(20):
        palette, cloths = costume.sample_colours(rng(seed), barefoot)
        assert palette.shape == (MATERIALS_PER_PERSON, 3)
        assert cloths.shape == (MATERIALS_PER_PERSON, 8)
        assert np.array_equal(palette[Material.SHOES], palette[Material.SKIN])
        assert np.array_equal(palette[Material.STRIPES], palette[Material.TOP])
        palette, cloths = costume.sample_colours(rng(seed), make_figure(pose_skeleton(STANDING), DRESSED))
        assert np.array_equal(palette[Material.BOTTOM], palette[Material.TOP])
        assert np.array_equal(cloths[Material.BOTTOM], cloths[Material.TOP])


def test_people_differ_in_skin_and_clothes_and_have_brows_of_their_hair_s_colour(somebody: Figure) -> None:
    worn = costume.sample_appearance(rng(1), [at(somebody)] * 30)
    assert worn.palette.min() >= 0
    assert worn.palette.max() < 290
    for material in (Material.SKIN, Material.HAIR, Material.TOP, Material.BOTTOM):
        assert worn.palette[:, material].mean(1).std() > 20
    assert np.array_equal(worn.heads[:, BROW:], worn.palette[:, Material.HAIR])


def test_light_comes_from_above_mostly() -> None:
    lamps = [costume.sample_lamp(rng(seed)) for seed in range(60)]
    ways = np.stack([one.direction for one in lamps])
    assert np.allclose(np.linalg.norm(ways, axis=1), 1, atol=1e-5)
    assert ways[:, 1].min() >= 0
    assert all(0.3 < one.ambient < 1 and 0 < one.softness < 1 and one.tint.min() > 0.4 for one in lamps)


# the gallery


DOT = np.array([201.0, 90.0])


def dotted(number: int) -> Picture:
    """A dark picture of 240×360 pixels with a white dot where all key points are."""
    image = np.full((240, 360, 3), number % 40, np.uint8)
    cv2.circle(image, DOT.astype(int).tolist(), 4, (255, 255, 255), -1)
    scores = np.ones(17, np.float32)
    scores[3] = 0
    return Picture(image, [Pose(np.tile(DOT, (17, 1)).astype(np.float32), scores, 1.0)], "a dot")


@pytest.fixture
def drawn_numbers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the pictures that galleries have drawn."""
    numbers: list[int] = []

    def picture(number: int) -> Picture:
        numbers.append(number)
        return dotted(number)

    monkeypatch.setattr(gallery, "draw_picture", picture)
    return numbers


def test_no_picture_of_a_gallery_is_the_starter_library_s_or_one_that_measures(
    drawn_numbers: list[int],
) -> None:
    from benchmarks.people_measures import FIRST_UNKNOWN
    from benchmarks.people_measures import PICTURE_COUNT as UNKNOWN_COUNT
    from index.build.starter import PICTURE_COUNT

    for seed in range(50):
        Gallery(rng(seed), 10).grow(5)
    assert len(set(drawn_numbers)) == len(drawn_numbers) == 50 * 7
    assert min(drawn_numbers) >= FIRST_NUMBER > max(PICTURE_COUNT, FIRST_UNKNOWN + UNKNOWN_COUNT)


def test_a_gallery_grows_to_its_most_and_then_puts_new_pictures_in_the_place_of_old_ones(
    drawn_numbers: list[int],
) -> None:
    made = Gallery(rng(1), 6)
    made.grow(4)
    before = list(made.pictures)
    assert len(before) == 6
    made.grow(1)
    assert len(made.pictures) == 6
    assert sum(one is not other for one, other in zip(made.pictures, before, strict=True)) == 1
    assert len(drawn_numbers) == 7


@pytest.mark.usefixtures("drawn_numbers")
def test_key_points_go_where_a_cut_takes_what_they_are_on() -> None:
    made = Gallery(rng(1), 2)
    for seed in range(20):
        picture, people = made.crop(rng(seed), SIZE)
        assert picture.shape == (SIZE, SIZE, 3)
        assert people.dtype == np.float32
        bright = picture[..., 0] > 130
        x, y = np.flatnonzero(bright.any(0)).mean(), np.flatnonzero(bright.any(1)).mean()
        assert np.abs(people[0, :, :2] - (x, y)).max() < 0.8
        assert people[0, 3, 2] == 0
        assert (np.delete(people[0, :, 2], 3) == 2).all()


def test_a_picture_is_kept_smaller_with_its_key_points_where_they_are() -> None:
    image, people = gallery._draw_reduced(FIRST_NUMBER)
    made = gallery.draw_picture(FIRST_NUMBER)
    height, width = image.shape[:2]
    assert max(height, width) == MAX_SIDE
    scale = (width / made.image.shape[1], height / made.image.shape[0])
    assert np.allclose(people[0, :, :2] + 0.5, (made.poses[0].xy + 0.5) * scale, atol=1e-2)
    assert np.array_equal(people[0, :, 2], 2 * made.poses[0].scores)


# whole scenes


def test_a_studio_makes_the_same_scenes_of_the_same_seed(bank: Bank, studio: SceneGenerator) -> None:
    other = SceneGenerator(bank, None, 3)
    studio.rng = rng(1)
    other.rng = rng(1)
    for _ in range(3):
        one, same = studio.generate(SIZE), other.generate(SIZE)
        assert np.array_equal(one.image, same.image)
        assert np.array_equal(one.people, same.people)


def test_scenes_have_the_size_asked_for_and_nobody_to_a_few_people(studio: SceneGenerator) -> None:
    studio.rng, counts = rng(2), Counter()
    for number in range(60):
        size = (129, 145)[number % 2]
        image, people = studio.generate(size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert people.shape == (len(people), 17, 3)
        assert np.isfinite(people).all()
        counts[len(people)] += 1
    assert counts[1] > 24
    assert set(counts) <= set(range(MAX_PEOPLE + 1))
    assert counts[2] > 3


def test_some_scenes_are_pictures_of_the_gallery(
    bank: Bank, studio: SceneGenerator, drawn_numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn_numbers == []
    monkeypatch.setattr(scene, "GALLERY_SHARE", 1.0)
    monkeypatch.setattr(studio, "gallery", Gallery(rng(1), 2))
    image, people = studio.generate(SIZE)
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8
    assert np.ptp(people[0, :, 0]) < 1e-3
