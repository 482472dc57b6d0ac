"""Every reader of files from outside, with a sound file for it to be damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.fuzzing.dataset_readers import dataset_readers
from tools.fuzzing.reader import Reader


def readers() -> dict[str, Reader]:
    """By name, in the order in which they are tried."""
    own = {**_texts(), **_yaml(), **_arrays(), **_run_folder(), **_weights(), **_pictures()}
    return {**own, **dataset_readers()}


def _text(name: str, content: str, read: Callable[[Path], object]) -> Reader:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")

    return Reader(name, write, lambda folder: read(folder / name))


def _texts() -> dict[str, Reader]:
    from data.calibration import World
    from data.formats.coco import read_coco
    from data.formats.detections_in import read_detection_folder
    from data.formats.meta_in import site_from_meta
    from data.formats.mot import read_mot
    from data.formats.reid_keypoints import read_keypoint_file, read_synthetic_crops
    from data.formats.tracks_in import read_track_folder
    from data.formats.world import read_world_mot, read_world_paths
    from data.site import CameraSite, Site

    rows = "".join(f"{n + 1},{n % 3},{10 + n}.5,20,30,60,0.9,-1,-1,-1\n" for n in range(20))
    truth = "".join(f"{n + 1},{n % 3},{10 + n},20,30,60,1,1,0.8\n" for n in range(20))
    world = "time_s,id,x_m,y_m,cov_xx_m2,cov_xy_m2,cov_yy_m2,height_m\n"
    world += "".join(f"{n / 10:.6f},{n % 3},1.0,2.0,0.1,0.0,0.1,1.7\n" for n in range(12))
    world_mot = "".join(f"{n + 1},{n % 3},-1,-1,-1,-1,1,1.5,2.5\n" for n in range(12))
    site = Site(cameras={"a": CameraSite(fps=10.0, size=(200, 100))})
    return {
        "mot tracks": _text("a.txt", rows, lambda path: read_mot(path, "tracks")),
        "mot truth": _text("a.txt", truth, lambda path: read_mot(path, "gt")),
        "mot detections": _text("det/a.txt", rows, lambda path: read_detection_folder(path.parent)),
        "mot track folder": _text("trk/a.txt", rows, lambda path: read_track_folder(path.parent, site)),
        "coco": _text("a.json", _COCO, read_coco),
        "coco detections": _text("det/a.json", _COCO, lambda path: read_detection_folder(path.parent)),
        "world paths": _text("a.csv", world, read_world_paths),
        "world truth": _text("a.txt", world_mot, read_world_mot),
        "crop keypoints": _text("a.json", _KEYPOINTS, lambda path: read_keypoint_file(path, (64, 128))),
        "synthetic crops": _text("a.json", _SYNTHETIC_CROPS, read_synthetic_crops),
        "meta": _text("meta.json", _META, lambda path: site_from_meta(path, None, "common", "none", False, World())),
    }


_POINTS = [float(value) for n in range(17) for value in (10 + n, 20 + 2 * n, 2)]
_KEYPOINTS = f'[{{"keypoints": {_POINTS}, "is_target": true}}, {{"keypoints": {_POINTS}, "is_target": false}}]'
_SYNTHETIC_CROPS = f'{{"query/0001_c1.jpg": {{"positive": {_POINTS}, "negatives": [{_POINTS}]}}}}'
_COCO = (
    '{"images": [{"id": 1, "file_name": "000001.jpg", "width": 200, "height": 100}, '
    '{"id": 2, "file_name": "000002.jpg", "width": 200, "height": 100}], "annotations": ['
    f'{{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 60], "score": 0.9, "keypoints": {_POINTS}}}, '
    '{"id": 2, "image_id": 2, "category_id": 1, "bbox": [11, 20, 30, 60], "score": 0.8}], '
    '"categories": [{"id": 1, "name": "person"}]}'
)
_META = '{"a": {"fps": 10, "width": 200, "height": 100}, "b": {"fps": 25, "width": 640, "height": 480}}'
_SITE = """
cameras:
  a: {fps: 10, size: [200, 100], clock: {status: common, offset_s: 1.5}}
  b: {fps: 25, size: [640, 480], clock: {status: estimated, offset_s: -3}}
default_overlap: none
overlap:
- {cameras: [a, b], value: partial}
"""
_CORRECTIONS = """
corrections:
- same: [{camera: a, time_s: 1.5, box: [10, 20, 40, 80]}, {camera: b, time_s: 2.5, box: [10, 20, 40, 80]}]
  note: seen
- different: [{camera: a, time_s: 1.5, box: [10, 20, 40, 80]}, {camera: a, time_s: 2.5, box: [10, 20, 40, 80]}]
"""


def _yaml() -> dict[str, Reader]:
    from data.site import load_site
    from data.synthetic.scenario import PRESET_FOLDER, load_preset
    from pipeline.association.corrections import load_corrections
    from pipeline.config import dump_config, load_config

    preset = (PRESET_FOLDER / "tiny.yaml").read_text(encoding="utf-8")
    return {
        "site": _text("site.yaml", _SITE, load_site),
        "configuration": _text("a.yaml", dump_config(load_config()), lambda path: load_config([path])),
        "corrections": _text("a.yaml", _CORRECTIONS, load_corrections),
        "preset": _text("a.yaml", preset, lambda path: load_preset(str(path))),
    }


def _arrays() -> dict[str, Reader]:
    from data.formats.detections_in import read_detection_folder
    from data.formats.part_features import PartFeatures, read_part_features, write_part_features
    from data.formats.state import load_state, save_state
    from data.formats.tracklets import read_tracklets, write_tracklets
    from data.records import PartEmbeddings
    from pipeline.evaluation.association.market import read_features

    boxes = np.tile(np.array([10.0, 20, 40, 80]), (6, 1))

    def detections(folder: Path) -> None:
        (folder / "det").mkdir(exist_ok=True)
        np.savez(
            folder / "det" / "a.npz", frame=np.arange(1, 7), box_xyxy=boxes, score=np.full(6, 0.9), feature=np.eye(6)
        )

    def features(folder: Path) -> None:
        (folder / "det").mkdir(exist_ok=True)
        rows = "".join(f"{n + 1},-1,10,20,30,60,0.9,-1,-1,-1\n" for n in range(6))
        (folder / "det" / "a.txt").write_text(rows)
        np.save(folder / "det" / "a.npy", np.eye(6, dtype=np.float32))

    def named(folder: Path) -> None:
        names = [f"{person:04d}_c{camera}s1_{100 * camera:06d}_00.jpg" for person in (1, 2) for camera in (1, 2, 3)]
        np.savez(folder / "a.npz", names=np.array(names), feature=np.eye(6, dtype=np.float32))

    def parts(folder: Path) -> None:
        embeddings = PartEmbeddings(
            np.ones((3, 2, 4), np.float32), np.ones((3, 2), np.float32), ("a", "b"), ("part",) * 2, "m"
        )
        write_part_features(folder / "a.npz", PartFeatures(("x", "y", "z"), embeddings, None))

    def state(folder: Path) -> None:
        save_state(folder / "a.npz", {"a": [1, 2.5, None, "x"], "b": np.arange(5), "c": (b"xy", {"d": True})})

    return {
        "npz detections": Reader("det/a.npz", detections, lambda folder: read_detection_folder(folder / "det")),
        "npy features": Reader("det/a.npy", features, lambda folder: read_detection_folder(folder / "det")),
        "npz features": Reader("a.npz", named, lambda folder: read_features(folder / "a.npz")),
        "part features": Reader("a.npz", parts, lambda folder: read_part_features(folder / "a.npz")),
        "checkpoint": Reader("a.npz", state, lambda folder: load_state(folder / "a.npz")),
        "tracklets": Reader(
            "a.parquet",
            lambda folder: write_tracklets(folder / "a.parquet", _tracklets()),
            lambda folder: read_tracklets(folder / "a.parquet"),
        ),
        "transition model": _transition_model(),
    }


def _tracklets() -> list[Any]:
    from data.records import PartEmbeddings, Tracklet

    frames = np.arange(8)
    embeddings = PartEmbeddings(
        np.ones((2, 2, 4), np.float32), np.ones((2, 2), np.float32), ("a", "b"), ("part",) * 2, "m"
    )
    boxes = np.tile(np.array([10.0, 20, 40, 80], np.float32), (8, 1))
    return [
        Tracklet(
            camera=camera,
            local_id=number,
            times_s=frames / 10,
            frames=frames,
            boxes=boxes,
            scores=np.ones(8, np.float32),
            prototypes=embeddings,
            prototype_rows=np.array([1, 5]),
            frame_size=(200, 100),
        )
        for number, camera in enumerate(("a", "a", "b"))
    ]


def _transition_model() -> Reader:
    from data.formats.reid_names import parse_names
    from st_model.build import build_model
    from st_model.files import load_model, save_model
    from st_model.sources import GapRule, visits_of_names

    def write(folder: Path) -> None:
        names = [f"{p:04d}_c{c}s1_{100 * c + p:06d}_00.jpg" for p in range(1, 9) for c in (1, 2)]
        save_model(build_model(visits_of_names(parse_names(names), GapRule())), folder / "a.npz")

    return Reader("a.npz", write, lambda folder: load_model(folder / "a.npz"))


def _run_folder() -> dict[str, Reader]:
    from pipeline.folder.run_folder import RunFolder
    from pipeline.report.config import ReportConfig
    from pipeline.report.page import write_report

    def whole(folder: Path) -> object:
        run = RunFolder(folder)
        for part in (run.read_manifest, run.read_progress, run.read_links, run.read_global_tracks, run.read_tracklets):
            part()
        return write_report(run, ReportConfig())

    files = ("manifest.json", "progress.json", "links.jsonl", "global_tracks.json", "splits.jsonl", "metrics.json")
    return {f"run folder: {name}": Reader(name, _write_run, whole) for name in (*files, "tracklets/part-0-0.parquet")}


def _write_run(folder: Path) -> None:
    from data.records import GlobalTrack, Link, Visit
    from data.splits import Split
    from pipeline.folder.run_folder import RunFolder

    run = RunFolder(folder)
    run.write_part(0.0, 0, _tracklets())
    visits = tuple(Visit(camera, number, 0.0, 0.7) for number, camera in enumerate(("a", "a", "b")))
    run.write_global_tracks([GlobalTrack(0, visits[::2], 0.9), GlobalTrack(1, visits[1:2], 1.0)])
    run.write_links([Link(("a", 0), ("b", 2), {"appearance": 1.5}, {"a": 0.2}, {"a": 1.0}, 1.0, 0.9, "same", 2.0)])
    run.write_splits([Split("a", 1, 900, 4, 0.4, 2.0, 0.9, -1)])
    run.write_json(run.progress, {"complete": True, "last_frame": {"a": 7, "b": 7}})
    run.write_json(run.metrics, {"scores": [{"name": "a", "kind": "sequence", "HOTA": 0.5, "IDF1": 0.6}]})
    video = {"kind": "video", "fps": 10, "frames": 8, "width": 200, "height": 100}
    inputs = {camera: {**video, "uri": f"{camera}.mp4"} for camera in "ab"}
    stages = {"track": {"seconds": 1.0, "items": 8, "ms_per_item": 125.0}}
    run.write_json(
        run.manifest,
        {
            "version": 2, "status": "complete", "inputs": inputs, "weights": {"reid": [{"name": "x", "sha256": "ab"}]},
            "clocks": {c: {"status": "common", "offset_s": 0.0} for c in "ab"}, "counts": {"cameras": {}},
            "warnings": [{"kind": "input", "camera": "a", "text": "x"}], "timings": {"wall_s": 1.0, "stages": stages},
        },
    )  # fmt: skip


def _weights() -> dict[str, Reader]:
    from data.weight_records import read_manifest
    from reid.weights.torch_pickle import StoredTensor, TorchFile
    from st_model.importers import import_joblib, import_mat

    def torch_file(folder: Path) -> None:
        import torch

        state = {"a.weight": torch.ones(3, 4), "a.bias": torch.ones(3)}
        torch.save({"state_dict": state, "epoch": 3}, folder / "a.pth")

    def load_all(folder: Path) -> None:
        with TorchFile(folder / "a.pth") as file:
            state = file.tree.get("state_dict") if isinstance(file.tree, dict) else None
            for tensor in state.values() if isinstance(state, dict) else ():
                if isinstance(tensor, StoredTensor):
                    file.load(tensor)

    def mat(folder: Path) -> None:
        from scipy.io import savemat

        savemat(folder / "a.mat", {"distribution": np.full((2, 2, 5), 0.2)})

    def pickled(folder: Path) -> None:
        def text(value: str) -> bytes:
            return b"X" + len(value).to_bytes(4, "little") + value.encode()

        # What joblib writes of an array, opcode by opcode: the array's bytes follow its description.
        described = text("shape") + b"K\x02K\x02K\x05\x87" + text("order") + text("C")
        described += text("dtype") + b"cnumpy\ndtype\n" + text("f8") + b"\x85R"
        head = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}("
        (folder / "a.pkl").write_bytes(head + described + b"ub" + np.full((2, 2, 5), 0.2).tobytes() + b".")

    manifest = (Path(__file__).parents[2] / "data" / "weights" / "manifest.yaml").read_text(encoding="utf-8")
    return {
        "torch file": Reader("a.pth", torch_file, load_all),
        "mat file": Reader("a.mat", mat, lambda folder: import_mat(folder / "a.mat")),
        "joblib file": Reader("a.pkl", pickled, lambda folder: import_joblib(folder / "a.pkl")),
        "weights manifest": _text("a.yaml", manifest, read_manifest),
    }


def _pictures() -> dict[str, Reader]:
    from data.config import SourcesConfig
    from data.pictures import read_picture
    from data.sources.base import CameraSpec
    from data.sources.open import open_source

    def picture(folder: Path) -> None:
        import cv2

        cv2.imwrite(str(folder / "a.jpg"), np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))

    def video(folder: Path) -> None:
        import av

        with av.open(str(folder / "a.mp4"), "w") as container:
            stream: Any = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(10):
                image = np.full((48, 64, 3), 20 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())

    def watch(folder: Path) -> int:
        source = open_source(CameraSpec("a", str(folder / "a.mp4")), SourcesConfig())
        try:
            return sum(1 for _, _ in zip(source.frames(), range(100), strict=False))
        finally:
            source.close()

    return {
        "picture": Reader("a.jpg", picture, lambda folder: read_picture(folder / "a.jpg")),
        "video": Reader("a.mp4", video, watch),
    }
