"""Training scenes: people are drawn as in the starter library, and their key points are where they should be."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed: pip install numba")

from models.figures import solids
from models.figures.body import add_body
from models.figures.figure_builder import FigureBuilder
from models.figures.head import add_head
from models.figures.look import MATERIALS_PER_PERSON, Look, Material
from models.figures.movement import Movement
from models.figures.projection import Camera
from models.figures.props import add_prop
from models.figures.skeleton import Build, Skeleton, pose_skeleton
from models.figures.stance import make_stance
from models.figures.starter_pictures import REPERTOIRE, Picture, draw_picture
from models.figures.view import is_upright
from models.pose import MIRROR_ORDER, Floats, Image, Pose
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
from models.train.mocap import skeleton_from_joints
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
MOVEMENTS = {movement.title: movement for movement in REPERTOIRE}
STANDING = make_stance()
NOSE, EYES = 0, [1, 2]
TRUNK_AND_LIMBS = [5, 6, 7, 8, 11, 12, 13, 14]
"""Shoulders, elbows, hips and knees."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def camera(azimuth: float = 0, elevation: float = 5, distance: float = 4, height: float = 0.9) -> Camera:
    """Return a camera with the whole of a person at the origin in the picture."""
    centre = ((SIZE - 1) / 2, (SIZE - 1) / 2)
    focal = 0.42 * SIZE * distance
    return Camera.around(
        np.array([0, height, 0]), centre, azimuth=azimuth, elevation=elevation, distance=distance, focal=focal
    )


def at(figure: Figure, x: float = 0, z: float = 0, turned: bool = False) -> PlacedFigure:
    """Return a person in a scene, facing the camera or with their back to it."""
    turn = np.diag([-1, 1, -1] if turned else [1, 1, 1]).astype(np.float32)
    return PlacedFigure(figure, turn, np.array([x, 0, z], np.float32))


def seen(*people: PlacedFigure, by: Camera) -> Buffers:
    """Return the buffers of people seen by a camera."""
    return render_people([placed.in_camera_axes(by) for placed in people], Projection.from_camera(by), SIZE)


def keypoints(*people: PlacedFigure, by: Camera) -> Floats:
    """Return P×17×3, as in `Scene.people`."""
    depth = seen(*people, by=by).depth
    return np.stack([project_keypoints(placed.in_camera_axes(by).keypoints, by, depth) for placed in people])


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
    """Compiling takes seconds, which must not count towards a test's time limit."""
    studio.paint_people(np.zeros((SIZE, SIZE, 3), np.float32), [at(somebody)], camera())


# The renderer


def as_figures_draw(movements: list[Movement], by: Camera, apart: float) -> tuple[Floats, Image]:
    """Return nearness and material of people side by side, as the starter library draws them."""
    drawn = solids.Solids()
    for number, movement in enumerate(movements):
        standing = pose_skeleton(movement.stance, PLAIN.build)
        for name, point in standing.points.items():
            standing.points[name] = point + np.array([number * apart, 0, 0])
        builder = FigureBuilder(drawn, standing, PLAIN, number * MATERIALS_PER_PERSON, False)
        add_body(builder)
        add_head(builder)
        for prop in movement.props:
            add_prop(builder, prop)
    part = solids.draw(drawn, drawn.project(by), SIZE, SIZE)
    assert part is not None
    nearness, material = np.full((SIZE, SIZE), solids.EMPTY_NEARNESS), np.zeros((SIZE, SIZE), np.uint8)
    rows, columns = part.material.shape
    window = slice(part.top, part.top + rows), slice(part.left, part.left + columns)
    nearness[window], material[window] = part.nearness, part.material
    return nearness, material


@pytest.mark.slow
@pytest.mark.parametrize("by", [camera(0), camera(70, 20), camera(160, 35, 2.5)], ids=["front", "side", "back"])
@pytest.mark.parametrize("first", range(0, len(REPERTOIRE), len(REPERTOIRE) // 6))
def test_draws_solids_as_the_starter_library_does(first: int, by: Camera) -> None:
    movements = [REPERTOIRE[first], REPERTOIRE[-first - 1]]
    nearness, material = as_figures_draw(movements, by, 0.5)
    people = [
        at(make_figure(pose_skeleton(movement.stance, PLAIN.build), PLAIN, movement), 0.5 * number)
        for number, movement in enumerate(movements)
    ]
    drawn = seen(*people, by=by)
    is_person = drawn.tags != NOBODY
    assert is_person.sum() > 500
    assert ((material > 0) == is_person).mean() > 0.999
    both = is_person & (material > 0)
    assert (drawn.tags == material)[both].mean() > 0.995
    assert (np.abs(drawn.depth - nearness)[both] < 0.002).mean() > 0.99  # without melting, a tenth or more would differ


@pytest.mark.slow
def test_normals_have_unit_length_and_face_the_camera(somebody: Figure) -> None:
    buffers = seen(at(somebody), by=camera(30))
    is_person = buffers.tags != NOBODY
    lengths = np.linalg.norm(buffers.normals[is_person], axis=1)
    assert np.median(np.abs(lengths - 1)) < 1e-5
    assert lengths.max() < 1.001
    assert buffers.normals[is_person][:, 2].min() > -1e-6
    assert not buffers.normals[~is_person].any()


def test_draws_nobody_outside_the_view(somebody: Figure) -> None:
    for place in (at(somebody, z=9), at(somebody, x=30)):
        assert (seen(place, by=camera()).tags == NOBODY).all()


def test_the_nearer_person_hides_the_other(somebody: Figure) -> None:
    back, front = at(somebody, z=-1), at(somebody, z=0.5)
    for number, cast in enumerate([(front, back), (back, front)]):
        material = seen(*cast, by=camera()).tags
        shown = Counter((material[material != NOBODY] // MATERIALS_PER_PERSON).tolist())
        assert shown[number] > 5 * shown[1 - number]


# Key points


def test_visible_joints_are_on_a_person(bank: Bank) -> None:
    inside, counted = 0, 0
    for number in range(40):
        generator = rng(number)
        cast = place_people(generator, [bank.pick(generator)])
        by = aim_camera(generator, cast, SIZE)
        tags = seen(*cast, by=by).tags
        points = keypoints(*cast, by=by)[0, TRUNK_AND_LIMBS]
        x, y = np.round(points[points[:, 2] == 2, :2]).astype(int).T
        inside, counted = inside + int((tags[y, x] != NOBODY).sum()), counted + len(x)
    assert counted > 100
    assert inside >= 0.99 * counted


def test_key_points_outside_the_picture_are_absent(bank: Bank) -> None:
    states: Counter[float] = Counter()
    for number in range(40):
        generator = rng(number)
        cast = place_people(generator, [bank.pick(generator) for _ in range(1 + number % 3)])
        points = keypoints(*cast, by=aim_camera(generator, cast, SIZE))
        outside = np.asarray(((points[..., :2] < -0.5) | (points[..., :2] > SIZE - 0.5)).any(-1))
        assert not points[outside, 2].any()
        assert points[:, 5:, 2][~outside[:, 5:]].all()
        assert set(points[:, :5, 2].ravel().tolist()) <= {0, 2}
        states.update(points[..., 2].ravel().tolist())
    assert min(states[state] for state in (0, 1, 2)) > 20


def test_a_face_is_absent_from_behind(somebody: Figure) -> None:
    front, back = (keypoints(at(somebody, turned=turned), by=camera())[0, :, 2] for turned in (False, True))
    assert (front[[NOSE, *EYES]] == 2).all()
    assert (back[[NOSE, *EYES]] == 0).all()
    assert (back[5:] == 2).all()


def test_left_is_the_persons_own_left(somebody: Figure) -> None:
    front, back = (keypoints(at(somebody, turned=turned), by=camera())[0, :, 0] for turned in (False, True))
    assert (front[5::2] > front[6::2]).all()
    assert (back[5::2] < back[6::2]).all()


def test_a_person_behind_another_is_hidden(somebody: Figure) -> None:
    by = camera(elevation=0, distance=6)
    front, back = keypoints(at(somebody, z=1.2), at(somebody), by=by)[..., 2]
    assert (front == 2).all()
    assert (back[[5, 6, 11, 12]] == 1).all()
    assert (back[[NOSE, *EYES]] == 0).all()


def test_objects_hide_joints_and_remove_faces() -> None:
    people = np.zeros((1, 17, 3), np.float32)
    people[0, :, :2] = np.arange(17)[:, None] * 5
    people[0, :, 2] = 2
    people[0, 10, 2] = 0
    covered = np.zeros((SIZE, SIZE), np.bool_)
    covered[:12] = covered[48:62] = True
    mark_hidden(people, covered)
    assert people[0, :, 2].tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 0, 1, 1, 2, 2, 2, 2]


# Light


@pytest.fixture(scope="module")
def grain() -> Floats:
    return make_textures(1)


def lit(
    people: list[PlacedFigure], by: Camera, grain: Floats, dressed: Appearance, lamp: Lamp, ground: float = 7
) -> Floats:
    """Return a picture of lit people."""
    picture = np.full((SIZE, SIZE, 3), ground, np.float32)
    buffers = seen(*people, by=by)
    lighting = Lighting(lamp, np.ones((SIZE, SIZE), np.float32))
    shade_people(picture, buffers, dressed, grain, lighting, Projection.from_camera(by))
    return picture


def white(people: int = 1) -> Appearance:
    """Return the appearance of people who are white all over, with clothes without folds."""
    cloths = np.zeros((people, MATERIALS_PER_PERSON, 8), np.float32)
    heads = np.zeros((people, 19), np.float32)
    return Appearance(np.full((people, MATERIALS_PER_PERSON, 3), 150, np.float32), cloths, heads)


def lamp_from(x: float, y: float, z: float) -> Lamp:
    direction = np.array([x, y, z], np.float32)
    return Lamp(direction / np.linalg.norm(direction), 0.3, 0.3, np.ones((2, 3), np.float32))


def test_lights_only_people(somebody: Figure, grain: Floats) -> None:
    tags = seen(at(somebody), by=camera()).tags
    picture = lit([at(somebody)], camera(), grain, white(), lamp_from(0, 1, 1))
    assert (picture[tags == NOBODY] == 7).all()
    assert (picture[tags != NOBODY] > 7).all()
    assert picture.max() <= 255


def test_the_side_facing_the_lamp_is_brighter(somebody: Figure, grain: Floats) -> None:
    buffers = seen(at(somebody), by=camera())
    to_right = buffers.normals[..., 0]
    for side in (-1, 1):
        picture = lit([at(somebody)], camera(), grain, white(), lamp_from(side, 0.2, 0.2))[..., 0]
        assert picture[to_right * side > 0.6].mean() > 1.5 * picture[to_right * side < -0.6].mean()


def test_a_face_is_on_the_front_of_a_head(somebody: Figure, grain: Floats) -> None:
    by = camera(elevation=0, height=1.62, distance=1.0)
    skin, dark = {}, {}
    for name, turned, glasses in (("front", False, 0), ("back", True, 0), ("glasses", False, 2)):
        place = at(somebody, turned=turned)
        worn = white()
        worn.heads[0] = costume.sample_face(rng(), place.in_camera_axes(by), worn.palette[0])
        worn.heads[0, GLASSES] = glasses
        picture = lit([place], by, grain, worn, lamp_from(0, 0.3, 1))[..., 0]
        tags = seen(place, by=by).tags
        skin[name] = picture[tags == Material.SKIN]
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


def test_softens_only_outlines(somebody: Figure) -> None:
    buffers = seen(at(somebody), by=camera())
    is_person = buffers.tags != NOBODY
    picture = np.where(is_person, 200, 0)[..., None].repeat(3, 2).astype(np.float32)
    before = picture.copy()
    soften_outlines(picture, buffers.depth, buffers.tags, np.empty_like(picture))
    changed = (picture != before).any(2)
    near_edge = cv2.morphologyEx(is_person.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert changed.sum() > 100
    assert not changed[~near_edge].any()


# People and clothes


def test_a_bank_mixes_recorded_and_named_poses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = np.stack([pose_skeleton(MOVEMENTS[title].stance, Build()).keypoints() for title in list(MOVEMENTS)[:3]])
    hips = recorded[:, [11, 12]].mean(1, keepdims=True)
    used: list[Floats] = []

    def counting(joints: Floats, build: Build, generator: np.random.Generator) -> Skeleton:
        used.append(joints)
        return skeleton_from_joints(joints, build, generator)

    monkeypatch.setattr(banks, "skeleton_from_joints", counting)
    mixed = Bank(rng(1), 20, (recorded - hips).astype(np.float32))
    assert len(mixed.people) == 20
    count = len(used)
    assert 6 <= count <= 17
    Bank(rng(1), 3)
    assert len(used) == count


def test_a_varied_pose_keeps_trunk_and_limb_lengths() -> None:
    joints = rng(3).normal(size=(17, 3)).astype(np.float32)
    mirrored = 0
    for seed in range(12):
        varied = banks._vary_joints(joints, rng(seed))
        is_mirrored = not np.allclose(varied[5], joints[5], atol=1e-6)
        mirrored += is_mirrored
        before = joints[MIRROR_ORDER] * (-1, 1, 1) if is_mirrored else joints
        assert np.allclose(varied[[0, 1, 2, 3, 4, 5, 6, 11, 12]], before[[0, 1, 2, 3, 4, 5, 6, 11, 12]], atol=1e-5)
        for start, end in ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16)):
            length = np.linalg.norm(before[end] - before[start])
            assert np.linalg.norm(varied[end] - varied[start]) == pytest.approx(length, abs=1e-5)
    assert 0 < mirrored < 12


def test_a_bank_renews_and_grows() -> None:
    small_bank = Bank(rng(2), 4)
    before = list(small_bank.people)
    small_bank.renew(2)
    assert len(small_bank.people) == 4
    assert 1 <= sum(after is not earlier for after, earlier in zip(small_bank.people, before, strict=True)) <= 2
    small_bank.grow(3)
    assert len(small_bank.people) == 7
    assert any(small_bank.pick(rng(1)) is person for person in small_bank.people)


def test_only_upright_people_wear_skirts_and_dresses(bank: Bank) -> None:
    lying = next(movement for movement in REPERTOIRE if not is_upright(pose_skeleton(movement.stance)))
    assert make_figure(pose_skeleton(STANDING), DRESSED).look.legs == "dress"
    assert make_figure(pose_skeleton(lying.stance), DRESSED).look.legs == "leggings"
    assert {figure.look.legs for figure in bank.people} & {"skirt", "dress"}


def test_people_stand_on_the_floor_around_their_key_points(bank: Bank) -> None:
    for figure in bank.people:
        low, high = figure.rows[:, :6].reshape(-1, 3).min(0), figure.rows[:, :6].reshape(-1, 3).max(0)
        assert low[1] > -0.12
        assert (figure.keypoints > low - 0.1).all()
        assert (figure.keypoints < high + 0.1).all()
        assert np.allclose(figure.head[1:] @ figure.head[1:].T, np.eye(3), atol=1e-5)
        assert figure.keypoints[NOSE] @ figure.head[3] > figure.head[0] @ figure.head[3]
        assert 0.6 < figure.head_scale < 1.3


def test_clothes_match() -> None:
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


def test_people_differ_in_skin_hair_and_clothes(somebody: Figure) -> None:
    worn = costume.sample_appearance(rng(1), [at(somebody)] * 30)
    assert worn.palette.min() >= 0
    assert worn.palette.max() < 290
    for material in (Material.SKIN, Material.HAIR, Material.TOP, Material.BOTTOM):
        assert worn.palette[:, material].mean(1).std() > 20
    assert np.array_equal(worn.heads[:, BROW:], worn.palette[:, Material.HAIR])


def test_light_comes_from_above() -> None:
    lamps = [costume.sample_lamp(rng(seed)) for seed in range(60)]
    directions = np.stack([lamp.direction for lamp in lamps])
    assert np.allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-5)
    assert directions[:, 1].min() >= 0
    assert all(0.3 < lamp.ambient < 1 and 0 < lamp.softness < 1 and lamp.tint.min() > 0.4 for lamp in lamps)


# The gallery


DOT = np.array([201.0, 90.0])


def dotted(number: int) -> Picture:
    """A dark picture of 240×360 pixels with a white dot at all key points."""
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


def test_gallery_pictures_are_in_no_library_or_benchmark(
    drawn_numbers: list[int],
) -> None:
    from benchmarks.people_measures import FIRST_UNKNOWN
    from benchmarks.people_measures import PICTURE_COUNT as UNKNOWN_COUNT
    from index.build.starter import PICTURE_COUNT

    for seed in range(50):
        Gallery(rng(seed), 10).grow(5)
    assert len(set(drawn_numbers)) == len(drawn_numbers) == 50 * 7
    assert min(drawn_numbers) >= FIRST_NUMBER > max(PICTURE_COUNT, FIRST_UNKNOWN + UNKNOWN_COUNT)


def test_a_full_gallery_replaces_pictures(
    drawn_numbers: list[int],
) -> None:
    small_gallery = Gallery(rng(1), 6)
    small_gallery.grow(4)
    before = list(small_gallery.pictures)
    assert len(before) == 6
    small_gallery.grow(1)
    assert len(small_gallery.pictures) == 6
    assert sum(after is not earlier for after, earlier in zip(small_gallery.pictures, before, strict=True)) == 1
    assert len(drawn_numbers) == 7


@pytest.mark.usefixtures("drawn_numbers")
def test_key_points_follow_a_crop() -> None:
    small_gallery = Gallery(rng(1), 2)
    for seed in range(20):
        picture, people = small_gallery.crop(rng(seed), SIZE)
        assert picture.shape == (SIZE, SIZE, 3)
        assert people.dtype == np.float32
        bright = picture[..., 0] > 130
        x, y = np.flatnonzero(bright.any(0)).mean(), np.flatnonzero(bright.any(1)).mean()
        assert np.abs(people[0, :, :2] - (x, y)).max() < 0.8
        assert people[0, 3, 2] == 0
        assert (np.delete(people[0, :, 2], 3) == 2).all()


def test_key_points_follow_a_reduced_picture() -> None:
    image, people = gallery._draw_reduced(FIRST_NUMBER)
    original = draw_picture(FIRST_NUMBER)
    height, width = image.shape[:2]
    assert max(height, width) == MAX_SIDE
    scale = (width / original.image.shape[1], height / original.image.shape[0])
    assert np.allclose(people[0, :, :2] + 0.5, (original.poses[0].xy + 0.5) * scale, atol=1e-2)
    assert np.array_equal(people[0, :, 2], 2 * original.poses[0].scores)


# Complete scenes


@pytest.mark.slow
def test_a_seed_repeats_scenes(bank: Bank, studio: SceneGenerator) -> None:
    other = SceneGenerator(bank, None, 3)
    studio.rng = rng(1)
    other.rng = rng(1)
    for _ in range(3):
        first, second = studio.generate(SIZE), other.generate(SIZE)
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.people, second.people)


def test_scenes_have_the_given_size_and_few_people(studio: SceneGenerator) -> None:
    counts: Counter[int] = Counter()
    studio.rng = rng(2)
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


def test_some_scenes_come_from_the_gallery(
    bank: Bank, studio: SceneGenerator, drawn_numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn_numbers == []
    monkeypatch.setattr(scene, "GALLERY_SHARE", 1.0)
    monkeypatch.setattr(studio, "gallery", Gallery(rng(1), 2))
    image, people = studio.generate(SIZE)
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8
    assert np.ptp(people[0, :, 0]) < 1e-3
