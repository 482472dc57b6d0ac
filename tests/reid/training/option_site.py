"""A small data set and a configuration for trainings whose options are tried."""

import json

import cv2
import numpy as np

CONFIG = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}
pretrained: none
parts: five_v
train: [{root: %(root)s}]
test: {root: %(root)s}
batch: {people: 3, pictures: 2, workers: 0}
optimiser: {kind: adamw, rate: 0.003}
schedule: {warmup_epochs: 0, minimum: 0.0001}
epochs: 1
precision: fp32
select: {best_on: none}
"""


SKELETON = np.array([
    (.50, .10), (.53, .08), (.47, .08), (.56, .09), (.44, .09), (.65, .22), (.35, .22), (.70, .38), (.30, .38),
    (.72, .52), (.28, .52), (.60, .52), (.40, .52), (.60, .74), (.40, .74), (.60, .95), (.40, .95),
])  # fmt: skip


def make_site(root, people, cameras=(1, 2), described=True, seed=0):
    """A data set of people in two colours; the same person in the same clothes wherever the number is the same."""
    told = {}
    points = np.concatenate([SKELETON * (32, 64), np.full((17, 1), 2)], 1).round(1).tolist()
    for identity in people:
        colours = np.random.default_rng(identity).integers(30, 255, (2, 3))
        for camera in cameras:
            for number in range(3):
                image = np.random.default_rng([identity, camera, number, seed]).integers(80, 110, (64, 32, 3))
                image[10:34, 9:23], image[34:62, 11:21] = colours[0], colours[1]
                split = "bounding_box_train" if identity <= 4 else "query" if number == 0 else "bounding_box_test"
                name = f"{split}/{identity:04d}_c{camera}s1_{number:06d}_00.png"
                (root / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), image.astype(np.uint8))
                told[name] = {"positive": points, "negatives": []}
    if described:
        (root / "crops_a.json").write_text(json.dumps(told))
    return root


def steps(folder, what="train"):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["what"] == what]
