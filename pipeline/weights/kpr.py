"""Which KPR weights ``reid.weights: auto`` takes: of real people, and already here."""

import logging

from data.errors import UserError
from data.listing import listed
from data.weight_records import file_sha256
from pipeline.weights.store import WeightStore
from reid.weights.checkpoints import read_info

logger = logging.getLogger(__name__)

BACKEND = "kpr"


def real_kpr(store: WeightStore) -> str | None:
    """What to resolve for a KPR that knows real people, or None where none is here.

    In order: what the manifest names and the cache holds; then the cache's other safetensors files, by name, that say
    in their header that they are KPR networks. Weights trained on synthetic people only are passed over, and nothing
    is fetched: a KPR network is large, and costs more time than body parts of the default network.
    """
    for name, record in store.records.items():
        fits = "reid" in record.kinds and BACKEND in record.backends and record.trained_on == "real"
        if fits and store.path_of(name).exists():
            return name
    synthetic = {record.sha256 for record in store.records.values() if record.trained_on == "synthetic"}
    for path in listed(store.cache_dir, "*.safetensors"):
        try:
            info = read_info(path)
        except UserError as error:
            logger.debug("%s", error)
            continue
        if info.spec.architecture != "kpr" or info.spec.needs_masks:
            continue
        if info.people == "synthetic" or file_sha256(path) in synthetic:
            logger.info("%s is passed over: it was trained on synthetic people", path)
            continue
        return str(path)
    return None
