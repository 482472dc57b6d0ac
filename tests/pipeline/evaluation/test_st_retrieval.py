from dataclasses import replace

import numpy as np
import pytest

from data.errors import UserError
from data.formats.part_features import whole_picture
from data.formats.reid_names import parse_names
from pipeline.evaluation.st_retrieval import (
    LikelihoodFusion,
    Sightings,
    calibrate_similarity,
    evaluate_protocol,
    split_by_camera,
)
from reid.ranking.looks import Looks
from reid.ranking.rerank import Neighbourhood
from st_model.build import build_model
from st_model.published import PublishedDistribution, published_distribution
from st_model.scores import arrival_rates_hz
from st_model.stays import learn_stays
from st_model.visits import visits_from_rows
from tools.benchmarks.references import evaluate_market, joint_scores, k_reciprocal, k_reciprocal_normalised

CAMERAS = ("c1", "c2", "c3")


def world(people: int, seed: int, first: int = 1) -> Sightings:
    """People who look much alike but walk from camera 1 to 2 to 3 in known times."""
    rng = np.random.default_rng(seed)
    looks = rng.standard_normal((people, 12))
    rows = []
    for person in range(people):
        frame = rng.integers(0, 200_000)
        for camera, walk in ((1, 3000), (2, 9000), (3, 0)):
            for _ in range(rng.integers(2, 5)):
                frame += int(rng.integers(10, 60))
                rows.append((person, camera, frame))
            frame += int(walk * rng.lognormal(0, 0.1))
    who, camera, frame = (np.array(column) for column in zip(*rows))
    features = looks[who] + 1.1 * rng.standard_normal((len(who), 12))
    return Sightings(Looks.of(whole_picture(features, "m")), who + first, camera, frame)


def learn(items: Sightings) -> tuple[PublishedDistribution, LikelihoodFusion]:
    distribution = published_distribution(items.identities, items.cameras - 1, items.frames, CAMERAS)
    names = [f"c{camera}" for camera in items.cameras]
    visits = visits_from_rows(items.identities, names, items.frames / 25, 10)
    slope, midpoint = calibrate_similarity(items)
    rates = arrival_rates_hz(visits.camera, 3, 200_000 / 25)
    return distribution, LikelihoodFusion(build_model(visits), slope, midpoint, rates, 25.0)


@pytest.fixture(scope="module")
def taught() -> tuple[PublishedDistribution, LikelihoodFusion]:
    return learn(world(60, 1))


def test_space_time_lifts_both_measures_clearly(taught: tuple[PublishedDistribution, LikelihoodFusion]) -> None:
    query, gallery = split_by_camera(world(60, 2, first=1000))
    rows = evaluate_protocol(query, gallery, *taught, Neighbourhood(8, 3, 0.3))
    plain, reranked, joint, _, likelihood, best = rows
    assert [row.name for row in rows][::2] == ["appearance", "st-reid joint score", "likelihood ratios"]
    assert reranked.standard.mean_ap > plain.standard.mean_ap
    assert joint.standard.mean_ap > plain.standard.mean_ap + 0.05
    assert likelihood.standard.mean_ap > joint.standard.mean_ap + 0.03
    assert likelihood.standard.rank(1) > plain.standard.rank(1) + 0.1
    assert best.standard.mean_ap > likelihood.standard.mean_ap
    assert all(row.trapezoid.convention == "trapezoid" for row in rows)


def test_every_published_line_equals_the_plain_definition(
    taught: tuple[PublishedDistribution, LikelihoodFusion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.evaluation.st_retrieval._BLOCK_CELLS", 500)
    query, gallery = split_by_camera(world(10, 3, first=500))
    gallery.frames[4] = query.frames[2]
    distribution = taught[0]
    table = np.pad(distribution.probability, ((0, 0), (0, 0), (0, 5000))).transpose(1, 0, 2)
    ids = query.identities, gallery.identities, query.cameras, gallery.cameras
    everything = [
        query.looks.joined(gallery.looks).vectors[:, 0],
        *(np.concatenate([getattr(query, n), getattr(gallery, n)]) for n in ("cameras", "frames")),
    ]

    def joint(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
        return joint_scores(a[0], a[1] - 1, a[2], b[0], b[1] - 1, b[2], table, 100)

    parts = [[s.looks.vectors[:, 0], s.cameras, s.frames] for s in (query, gallery)]
    similarity = everything[0].astype(np.float64) @ everything[0].T
    euclid = np.sqrt(np.maximum(2 - 2 * similarity, 0))
    q = len(query)
    transposed = 2 - 2 * joint(everything, everything).T
    wanted = [
        -similarity[:q, q:],
        k_reciprocal(euclid[:q, q:], euclid[:q, :q], euclid[q:, q:]),
        -joint(parts[0], parts[1]),
        k_reciprocal_normalised(transposed / transposed.max(1, keepdims=True), q, 20, 6, 0.3),
    ]
    for row, distance in zip(evaluate_protocol(query, gallery, distribution), wanted):
        cmc, mean_ap = evaluate_market(distance, *ids)
        assert row.standard.mean_ap == pytest.approx(mean_ap, abs=2e-3)
        assert row.standard.cmc[0] == pytest.approx(cmc[0], abs=0.04)


def test_without_times_or_known_cameras_appearance_decides(
    taught: tuple[PublishedDistribution, LikelihoodFusion],
) -> None:
    items = world(20, 4, first=300)
    for blind in (
        Sightings(items.looks, items.identities, items.cameras, np.full(len(items), -1)),
        Sightings(items.looks, items.identities, items.cameras + 10, items.frames),
    ):
        rows = evaluate_protocol(*split_by_camera(blind), *taught)
        for row in (rows[2], rows[4]):
            assert row.standard.mean_ap == pytest.approx(rows[0].standard.mean_ap, abs=1e-3)


def test_queries_are_the_first_picture_of_each_identity_and_camera() -> None:
    names = parse_names(
        [
            "0001_c1s1_000100_00.jpg",
            "0001_c1s1_000200_00.jpg",
            "0001_c2s1_000100_00.jpg",
            "-1_c1s1_000100_00.jpg",
            "0000_c1s1_000100_00.jpg",
        ]
    )
    items = Sightings.make(whole_picture(np.eye(5), "m"), names)
    query, gallery = split_by_camera(items)
    assert query.frames.tolist() == [100, 100]
    assert query.cameras.tolist() == [1, 2]
    assert sorted(gallery.identities.tolist()) == [-1, 0, 1]


def test_junk_never_enters_a_ranking(taught: tuple[PublishedDistribution, LikelihoodFusion]) -> None:
    query, gallery = split_by_camera(world(10, 5, first=300))
    junk = Sightings(gallery.looks.select(np.arange(7)), np.full(7, -1), gallery.cameras[:7], gallery.frames[:7])
    more = Sightings(
        gallery.looks.joined(junk.looks),
        *(np.concatenate([getattr(gallery, n), getattr(junk, n)]) for n in ("identities", "cameras", "frames")),
    )
    for a, b in zip(evaluate_protocol(query, gallery, *taught), evaluate_protocol(query, more, *taught)):
        assert a.standard.mean_ap == b.standard.mean_ap


def test_calibration_finds_the_separation() -> None:
    slope, midpoint = calibrate_similarity(world(60, 6))
    assert slope > 2
    assert 0 < midpoint < 0.6


def test_calibration_needs_people_in_two_cameras() -> None:
    items = world(5, 7)
    with pytest.raises(UserError, match="two cameras"):
        calibrate_similarity(items.select(items.cameras == 1))
    with pytest.raises(UserError, match="two cameras"):
        calibrate_similarity(items.select(items.identities == 1))


def test_bad_input_is_refused() -> None:
    items = world(3, 8)
    with pytest.raises(UserError, match="nothing to evaluate: 0 queries"):
        evaluate_protocol(items.select(np.zeros(len(items), bool)), items)
    with pytest.raises(UserError, match="2 features belong to 1 names"):
        Sightings.make(whole_picture(np.ones((2, 3)), "m"), parse_names(["0001_c1s1_000100_00.jpg"]))


def brief_stays(people: int, seed: int) -> Sightings:
    """One camera sees somebody else every minute, four times within six seconds, and again after five minutes."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(1, people + 1), 8)
    seconds = 60.0 * who + np.tile([0.0, 2.0, 4.0, 6.0, 300.0, 302.0, 304.0, 306.0], people)
    seconds += rng.uniform(0, 0.3, len(who))
    features = rng.standard_normal((len(who), 12)).astype(np.float32)
    camera = np.ones(len(who), np.int64)
    return Sightings(Looks.of(whole_picture(features, "m")), who, camera, np.rint(seconds * 25).astype(np.int64))


def test_seconds_apart_in_one_camera_speak_for_one_person_once_stays_are_learnt() -> None:
    teachers, tested = brief_stays(40, 1), brief_stays(30, 2)
    names = [f"c{camera}" for camera in teachers.cameras]
    visits = visits_from_rows(teachers.identities, names, teachers.frames / 25, 20)
    stays = learn_stays(teachers.identities, names, teachers.frames / 25, 20.0)
    rates = arrival_rates_hz(visits.camera, 1, 2400.0)
    fusion = LikelihoodFusion(build_model(visits), 1.0, 0.0, rates, 25.0, stays, stays.sightings / 2400.0)
    query, gallery = split_by_camera(tested)
    rows = evaluate_protocol(query, gallery, None, fusion, Neighbourhood(4, 2, 0.3), "all")
    found = {row.name: row.standard.mean_ap for row in rows}
    # Taken for two visits, it speaks against them, and strangers of five minutes later come first.
    assert found["the same with stays"] > found["likelihood ratios"] + 0.2


def in_parts(items: Sightings, seed: int, seen: float) -> Sightings:
    """The same people in three parts; of each picture a random share of them can be seen, perhaps none."""
    rng = np.random.default_rng(seed)
    vectors = items.looks.vectors.reshape(len(items), 3, 4)
    vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    visible = rng.random((len(items), 3)) < seen
    return replace(items, looks=Looks((vectors * visible[..., None]).astype(np.float32), visible))


def test_parts_are_compared_where_both_pictures_show_them() -> None:
    items = in_parts(world(8, 20), 21, 0.5)
    similarity, vectors = items.looks.similarity(items.looks), items.looks.vectors
    for row in range(0, len(items), 5):
        for column in range(len(items)):
            shared = items.looks.visibility[row] & items.looks.visibility[column]
            want = (vectors[row] * vectors[column]).sum(-1)[shared].mean() if shared.any() else np.nan
            assert similarity[row, column] == pytest.approx(want, abs=1e-5, nan_ok=True)
    assert np.isnan(similarity).any()


def test_one_part_in_full_view_is_the_whole_picture(taught: tuple[PublishedDistribution, LikelihoodFusion]) -> None:
    items = world(12, 22, first=700)
    twice = np.repeat(items.looks.vectors, 2, axis=1)
    parts = replace(items, looks=Looks(twice, np.ones(twice.shape[:2], bool)))
    assert items.looks.whole
    assert not parts.looks.whole
    rows = [evaluate_protocol(*split_by_camera(one), *taught) for one in (items, parts)]
    for one, other in zip(*rows):
        assert one.name == other.name
        assert one.standard.mean_ap == pytest.approx(other.standard.mean_ap, abs=2e-3)


def test_space_time_lifts_parts_too_and_stands_in_where_none_is_shared() -> None:
    teachers, tested = in_parts(world(60, 23), 24, 0.6), in_parts(world(60, 25, first=1000), 26, 0.6)
    distribution, fusion = learn(teachers)
    query, gallery = split_by_camera(tested)
    assert np.isnan(query.looks.similarity(gallery.looks)).mean() > 0.02
    rows = evaluate_protocol(query, gallery, distribution, fusion, Neighbourhood(8, 3, 0.3))
    found = {row.name: row.standard.mean_ap for row in rows}
    assert found["st-reid joint score"] > found["appearance"] + 0.05
    assert found["likelihood ratios"] > found["st-reid joint score"] + 0.03


def test_what_shares_no_part_ranks_last_with_right_answers_behind() -> None:
    looks = Looks(np.ones((4, 2, 1), np.float32), np.array([[1, 0], [0, 1], [0, 1], [1, 0]], bool))
    items = Sightings(looks, np.array([1, 1, 2, 2]), np.array([1, 2, 2, 2]), np.full(4, -1))
    row = evaluate_protocol(items.select(np.arange(1)), items.select(np.arange(1, 4)), None, None, Neighbourhood(2, 1))
    assert [one.standard.first_match.tolist() for one in row] == [[2], [2]]
